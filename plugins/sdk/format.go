package sdk

import (
	"fmt"
	"slices"

	"github.com/carillonhq/carillon/ports/social"
)

var (
	knownCounts = []social.Count{social.Codepoints, social.Graphemes, social.UTF16, social.Bytes, social.XWeighted}
	knownKinds  = []social.MediaKind{social.Image, social.Video, social.Audio}
)

func checkFormats(m social.Manifest) error {
	if len(m.Formats) == 0 || len(m.Formats) > maxFormats {
		return invalid("formats", "need 1 to %d", maxFormats)
	}
	seen := map[string]bool{}
	for i, f := range m.Formats {
		at := fmt.Sprintf("formats/%d", i)
		if !slugPattern.MatchString(f.ID) || seen[f.ID] {
			return invalid(at+"/id", "%.40q is not a slug of its own", f.ID)
		}
		seen[f.ID] = true
		if err := checkFormat(at, f); err != nil {
			return err
		}
	}
	return nil
}

func checkFormat(at string, f social.Format) error {
	if !slices.Contains(knownCounts, f.Text.Count) {
		return invalid(at+"/text/count", "%.40q is unknown", f.Text.Count)
	}
	if !figures(f.Text.Max, f.Text.MaxBytes, f.Text.URLWeight, f.Media.Max, f.Media.MaxWidth, f.Media.MaxHeight, f.Media.MaxAlt) ||
		f.Media.MaxBytes < 0 || f.Media.MaxBytes > maxFigure {
		return invalid(at, "a limit is negative or absurd")
	}
	if len(f.Media.MIMEs) > maxList || len(f.Scopes) > maxList {
		return invalid(at, "over %d media types or scopes", maxList)
	}
	for _, k := range f.Media.Kinds {
		if !slices.Contains(knownKinds, k) {
			return invalid(at+"/media/kinds", "%.40q is unknown", k)
		}
	}
	if len(f.Settings) > 0 {
		return checkSchema(at+"/settings", f.Settings)
	}
	return nil
}

func figures(list ...int) bool {
	return !slices.ContainsFunc(list, func(n int) bool { return n < 0 || n > maxFigure })
}
