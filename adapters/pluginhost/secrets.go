package pluginhost

import (
	"regexp"
	"slices"
	"sync"

	"github.com/carillonhq/carillon/plugins/sdk/wire"
)

// secrets knows what is lent to a plugin, and what was lately, and takes it out
// of whatever the plugin says.
type secrets struct {
	mu     sync.Mutex
	lent   map[string]int // value → calls that it is lent for now
	recent []string       // given back, newest last; none of lent
	forms  wire.Secrets   // of both; nil: to be made anew
}

const (
	maxSecrets = 256 // that are remembered; what is lent now is besides
	// minSecret keeps a short value from turning ordinary words into ***.
	minSecret = 8
	hidden    = "***"
)

func newSecrets() *secrets { return &secrets{lent: map[string]int{}} }

// lend takes note of values until they are given back, and for a while after:
// a plugin may speak of them later.
func (s *secrets) lend(values ...string) (back func()) {
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return len(v) < minSecret })
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		s.lent[v]++
		s.recent = slices.DeleteFunc(s.recent, func(r string) bool { return r == v })
	}
	s.forms = nil
	return sync.OnceFunc(func() { s.giveBack(values) })
}

func (s *secrets) giveBack(values []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		if s.lent[v]--; s.lent[v] > 0 {
			continue
		}
		delete(s.lent, v)
		s.recent = append(s.recent, v)
	}
	if n := len(s.recent) - maxSecrets; n > 0 {
		s.recent, s.forms = slices.Delete(s.recent, 0, n), nil
	}
}

// known is everything to be struck, in all its forms.
func (s *secrets) known() wire.Secrets {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forms == nil {
		all := slices.Clone(s.recent)
		for v := range s.lent {
			all = append(all, v)
		}
		s.forms = wire.NewSecrets(minSecret, all...)
	}
	return s.forms
}

// What a secret looks like where the value itself is unknown: a header, a
// field of a form or of JSON.
var (
	schemePattern = regexp.MustCompile(`(?i)\b(bearer|basic|dpop)\s+[A-Za-z0-9._~+/=-]{8,}`)
	fieldPattern  = regexp.MustCompile(`(?i)("?\b(?:access_?token|refresh_?token|client_?secret|password|app_?password|authorization|api_?key|accessJwt|refreshJwt)"?\s*[:=]\s*"?)[^\s"&,;]+`)
)

// redact replaces secrets by ***.
func (s *secrets) redact(text string) string {
	text = s.known().Strike(text)
	text = schemePattern.ReplaceAllString(text, "$1 "+hidden)
	return fieldPattern.ReplaceAllString(text, "${1}"+hidden)
}

// clean is err with a text that has none, for logs and for people. nil stays.
func (s *secrets) clean(err error) error {
	if err == nil {
		return nil
	}
	return &cleaned{s.redact(wire.Text(err.Error())), err}
}

// cleaned is still what it was to whoever asks for its kind.
type cleaned struct {
	text string
	err  error
}

func (c *cleaned) Error() string { return c.text }
func (c *cleaned) Unwrap() error { return c.err }
