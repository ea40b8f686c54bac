package wire

import (
	"encoding/json"
	"fmt"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/ports/social"
)

// FromContent puts an object on the wire. It fails only if the settings do not
// encode as JSON.
func FromContent(c social.Content) (*pb.Content, error) {
	out := &pb.Content{
		Format: c.Format, Text: c.Text, Media: each(c.Media, fromMedia),
		ReplyTo: fromRefOrNil(c.ReplyTo), Root: fromRefOrNil(c.Root), Languages: c.Languages, At: fromTime(c.At),
	}
	if len(c.Settings) == 0 {
		return out, nil
	}
	var err error
	if out.SettingsJson, err = json.Marshal(c.Settings); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return out, nil
}

// ToContent takes an object from the wire. It fails if the settings are not a
// JSON object.
func ToContent(c *pb.Content) (social.Content, error) {
	out := social.Content{
		Format: c.GetFormat(), Text: c.GetText(), Media: each(c.GetMedia(), toMedia),
		ReplyTo: toRefOrNil(c.GetReplyTo()), Root: toRefOrNil(c.GetRoot()), Languages: c.GetLanguages(), At: toTime(c.GetAt()),
	}
	if len(c.GetSettingsJson()) == 0 {
		return out, nil
	}
	if err := json.Unmarshal(c.GetSettingsJson(), &out.Settings); err != nil {
		return social.Content{}, fmt.Errorf("settings: %w", err)
	}
	return out, nil
}

func fromMedia(m social.Media) *pb.Media {
	return &pb.Media{
		Id: m.ID, Kind: mediaKinds.number[m.Kind], Mime: m.MIME, Bytes: m.Bytes, Sha256: m.SHA256,
		Width: int64(m.Width), Height: int64(m.Height), Duration: fromDuration(m.Duration), Alt: m.Alt, Url: m.URL,
	}
}

func toMedia(m *pb.Media) social.Media {
	return social.Media{
		ID: m.GetId(), Kind: mediaKinds.word[m.GetKind()], MIME: m.GetMime(), Bytes: m.GetBytes(), SHA256: m.GetSha256(),
		Width: int(m.GetWidth()), Height: int(m.GetHeight()), Duration: toDuration(m.GetDuration()), Alt: m.GetAlt(), URL: m.GetUrl(),
	}
}

func fromRef(r social.Ref) *pb.Ref { return &pb.Ref{Id: r.ID, Url: r.URL, Extra: r.Extra} }

func toRef(r *pb.Ref) social.Ref {
	return social.Ref{ID: r.GetId(), URL: r.GetUrl(), Extra: r.GetExtra()}
}

func fromRefOrNil(r *social.Ref) *pb.Ref {
	if r == nil {
		return nil
	}
	return fromRef(*r)
}

func toRefOrNil(r *pb.Ref) *social.Ref {
	if r == nil {
		return nil
	}
	ref := toRef(r)
	return &ref
}
