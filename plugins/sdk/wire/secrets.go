package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
)

// Secrets are what has to be struck out of texts, in every form in which a text
// may have it, the longest first: one secret may begin with another.
type Secrets []string

const (
	hidden = "***"
	// minTail is the least of a secret that is struck where a text ends in it.
	minTail = 6
)

// NewSecrets makes Secrets of values, but for those under least bytes: a short
// one would turn ordinary words into ***.
func NewSecrets(least int, values ...string) Secrets {
	var out Secrets
	for _, v := range values {
		if len(v) >= least && v != "" {
			out = append(out, v, url.PathEscape(v), url.QueryEscape(v), quoted(v))
		}
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) })
	return slices.Compact(out)
}

// quoted is v as it stands in JSON.
func quoted(v string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return v
	}
	return strings.Trim(strings.TrimSuffix(b.String(), "\n"), `"`)
}

// Strike replaces every secret in text by ***, and the beginning of one that
// text ends in: it may have been cut.
func (s Secrets) Strike(text string) string {
	for _, v := range s {
		text = strings.ReplaceAll(text, v, hidden)
	}
	for _, v := range s {
		for n := min(len(v)-1, len(text)); n >= minTail; n-- {
			if strings.HasSuffix(text, v[:n]) {
				return text[:len(text)-n] + hidden
			}
		}
	}
	return text
}

// StrikeFault does so in what a fault says. nil is no fault.
func (s Secrets) StrikeFault(f *pb.Fault) {
	if f == nil || len(s) == 0 {
		return
	}
	f.Message, f.Upstream, f.Cause = s.Strike(f.GetMessage()), s.Strike(f.GetUpstream()), s.Strike(f.GetCause())
	for _, v := range f.GetViolations() {
		v.Message = s.Strike(v.GetMessage())
	}
}

// StrikeNotes does so in what is told of requests.
func (s Secrets) StrikeNotes(n *pb.Notes) {
	if len(s) == 0 {
		return
	}
	for _, u := range n.GetCalls() {
		u.Method, u.Host, u.Path, u.RequestId = s.Strike(u.GetMethod()), s.Strike(u.GetHost()), s.Strike(u.GetPath()), s.Strike(u.GetRequestId())
	}
}
