package wire

import (
	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/ports/social"
)

func fromFormat(f social.Format) *pb.Format {
	return &pb.Format{
		Id: f.ID, Name: f.Name, Text: fromTextRule(f.Text), Media: fromMediaRule(f.Media),
		SettingsSchema: f.Settings, Scopes: f.Scopes,
	}
}

func toFormat(f *pb.Format) social.Format {
	return social.Format{
		ID: f.GetId(), Name: f.GetName(), Text: toTextRule(f.GetText()), Media: toMediaRule(f.GetMedia()),
		Settings: f.GetSettingsSchema(), Scopes: f.GetScopes(),
	}
}

var counts = words(map[social.Count]pb.TextRule_Count{
	social.Codepoints: pb.TextRule_COUNT_CODEPOINTS,
	social.Graphemes:  pb.TextRule_COUNT_GRAPHEMES,
	social.UTF16:      pb.TextRule_COUNT_UTF16,
	social.Bytes:      pb.TextRule_COUNT_BYTES,
	social.XWeighted:  pb.TextRule_COUNT_X_WEIGHTED,
})

func fromTextRule(r social.TextRule) *pb.TextRule {
	return &pb.TextRule{
		Max: int64(r.Max), Count: counts.number[r.Count], MaxBytes: int64(r.MaxBytes),
		UrlWeight: int64(r.URLWeight), Optional: r.Optional,
	}
}

func toTextRule(r *pb.TextRule) social.TextRule {
	return social.TextRule{
		Max: int(r.GetMax()), Count: counts.word[r.GetCount()], MaxBytes: int(r.GetMaxBytes()),
		URLWeight: int(r.GetUrlWeight()), Optional: r.GetOptional(),
	}
}

var mediaKinds = words(map[social.MediaKind]pb.MediaKind{
	social.Image: pb.MediaKind_MEDIA_KIND_IMAGE,
	social.Video: pb.MediaKind_MEDIA_KIND_VIDEO,
	social.Audio: pb.MediaKind_MEDIA_KIND_AUDIO,
})

func fromMediaKind(k social.MediaKind) pb.MediaKind { return mediaKinds.number[k] }
func toMediaKind(k pb.MediaKind) social.MediaKind   { return mediaKinds.word[k] }

func fromMediaRule(r social.MediaRule) *pb.MediaRule {
	return &pb.MediaRule{
		Kinds: each(r.Kinds, fromMediaKind), Max: int64(r.Max), Mimes: r.MIMEs, MaxBytes: r.MaxBytes,
		MaxWidth: int64(r.MaxWidth), MaxHeight: int64(r.MaxHeight), MaxAlt: int64(r.MaxAlt),
	}
}

func toMediaRule(r *pb.MediaRule) social.MediaRule {
	return social.MediaRule{
		Kinds: each(r.GetKinds(), toMediaKind), Max: int(r.GetMax()), MIMEs: r.GetMimes(), MaxBytes: r.GetMaxBytes(),
		MaxWidth: int(r.GetMaxWidth()), MaxHeight: int(r.GetMaxHeight()), MaxAlt: int(r.GetMaxAlt()),
	}
}
