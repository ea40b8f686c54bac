package declarative

import (
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// receipt maps an answer. It is nil without an id.
func (c *call) receipt(r *Receipt) *social.Receipt {
	if r.Item.set() {
		v, err := r.Item.eval(c.scope)
		if err != nil {
			return nil
		}
		c.scope.Item = v
	}
	id, err := r.ID.render(c.scope, nil)
	if err != nil || id == "" {
		return nil
	}
	out := &social.Receipt{Ref: social.Ref{ID: id, URL: r.URL.or(c.scope, "")}, Status: social.Live}
	if status := social.Status(r.Status.or(c.scope, "")); status == social.Processing || status == social.InReview {
		out.Status = status
	}
	if v, err := r.PublishedAt.eval(c.scope); err == nil {
		out.PublishedAt = moment(v)
	}
	for name, text := range r.Extra {
		if value := text.or(c.scope, ""); value != "" {
			if out.Ref.Extra == nil {
				out.Ref.Extra = map[string]string{}
			}
			out.Ref.Extra[name] = value
		}
	}
	for i := range r.Warnings {
		if w := &r.Warnings[i]; w.When.holds(c.scope, false) {
			out.Warnings = append(out.Warnings, c.redact(w.Message.or(c.scope, "Something was left out."), maxMessage))
		}
	}
	return out
}

// moment reads seconds since 1970 or RFC 3339.
func moment(v any) time.Time {
	switch v := v.(type) {
	case int:
		if v > 0 && v < 1<<36 {
			return time.Unix(int64(v), 0).UTC()
		}
	case string:
		t, _ := time.Parse(time.RFC3339, v)
		return t
	}
	return time.Time{}
}
