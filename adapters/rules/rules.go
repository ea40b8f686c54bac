// Package rules holds texts, attachments and settings to what a platform's
// manifest says it takes, counting as that platform counts.
//
// Every platform counts something else and calls it characters, and the person
// sees a counter in the browser before the kernel counts again. So the cases in
// testdata/conformance.json are shared: what counts here and what counts there
// run the same file. Its figures were compared with twitter-text's own.
//
// Start with Rules.Check; count.go and url.go do the counting.
package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// Rules checks content. It is safe for concurrent use; New makes one.
type Rules struct {
	schemas schemas
}

// New returns Rules without anything compiled yet.
func New() *Rules { return &Rules{} }

// Check is the function Check, for those who take an interface.
func (*Rules) Check(f social.Format, l *social.Limits, text string, media []social.Media, pointer string) []fault.Violation {
	return Check(f, l, text, media, pointer)
}

// Check holds one object to a format's rules. l are the account's own figures
// and may be nil. The violations point below pointer: "/text", "/media",
// "/media/0" and "/media/0/alt".
func Check(f social.Format, l *social.Limits, text string, media []social.Media, pointer string) []fault.Violation {
	f = effective(f, l)
	found := checkText(f.Text, text, len(media) > 0, pointer+"/text")
	if f.Media.Max > 0 && len(media) > f.Media.Max {
		found = append(found, over("media.too_many", "At most %d attachments.", f.Media.Max, len(media), pointer+"/media"))
	}
	for i, m := range media {
		found = append(found, checkMedia(f, m, fmt.Sprintf("%s/media/%d", pointer, i))...)
	}
	return found
}

// effective lays an account's figures over a format's.
func effective(f social.Format, l *social.Limits) social.Format {
	if l == nil {
		return f
	}
	f.Text.Max = first(l.MaxText, f.Text.Max)
	f.Text.URLWeight = first(l.URLWeight, f.Text.URLWeight)
	f.Media.Max = first(l.MaxMedia, f.Media.Max)
	f.Media.MaxBytes = first(l.MaxMediaBytes, f.Media.MaxBytes)
	f.Media.MaxAlt = first(l.MaxAlt, f.Media.MaxAlt)
	return f
}

func first[T int | int64](own, general T) T {
	if own > 0 {
		return own
	}
	return general
}

func checkText(rule social.TextRule, text string, hasMedia bool, at string) []fault.Violation {
	if strings.TrimSpace(text) == "" {
		if hasMedia && rule.Optional {
			return nil
		}
		return []fault.Violation{{Field: at, Reason: "text.required", Message: "Write something first."}}
	}
	var found []fault.Violation
	if rule.Max > 0 {
		if n := Count(rule, text); n > rule.Max {
			found = append(found, over("text.too_long", "At most %d characters here.", rule.Max, n, at))
		}
	}
	if rule.MaxBytes > 0 && len(text) > rule.MaxBytes {
		found = append(found, over("text.too_many_bytes", "At most %d bytes here.", rule.MaxBytes, len(text), at))
	}
	return found
}

func checkMedia(f social.Format, m social.Media, at string) []fault.Violation {
	var found []fault.Violation
	rule := f.Media
	switch {
	case len(rule.Kinds) > 0 && !slices.Contains(rule.Kinds, m.Kind):
		found = append(found, fault.Violation{Field: at, Reason: "media.kind_not_allowed", Message: "This kind of file cannot be posted here."})
	case len(rule.MIMEs) > 0 && !slices.ContainsFunc(rule.MIMEs, func(pattern string) bool { return matches(pattern, m.MIME) }):
		found = append(found, fault.Violation{Field: at, Reason: "media.type_not_allowed", Message: m.MIME + " cannot be posted here."})
	}
	if rule.MaxBytes > 0 && m.Bytes > rule.MaxBytes {
		found = append(found, over("media.too_large", "At most %d bytes here.", rule.MaxBytes, m.Bytes, at))
	}
	if rule.MaxWidth > 0 && m.Width > rule.MaxWidth {
		found = append(found, over("media.too_wide", "At most %d pixels wide.", rule.MaxWidth, m.Width, at))
	}
	if rule.MaxHeight > 0 && m.Height > rule.MaxHeight {
		found = append(found, over("media.too_high", "At most %d pixels high.", rule.MaxHeight, m.Height, at))
	}
	alt := social.TextRule{Count: f.Text.Count}
	if n := Count(alt, m.Alt); rule.MaxAlt > 0 && n > rule.MaxAlt {
		found = append(found, over("alt.too_long", "Describe the picture in at most %d characters.", rule.MaxAlt, n, at+"/alt"))
	}
	return found
}

// matches compares a media type with "image/png" or "image/*".
func matches(pattern, mime string) bool {
	if kind, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(mime, kind)
	}
	return pattern == mime
}

func over[T int | int64](reason, format string, limit, actual T, at string) fault.Violation {
	return fault.Violation{Field: at, Reason: reason, Message: fmt.Sprintf(format, limit), Limit: float64(limit), Actual: float64(actual)}
}
