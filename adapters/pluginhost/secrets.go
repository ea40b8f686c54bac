package pluginhost

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/carillonhq/carillon/ports/social"
)

// secrets knows what was lent to a plugin lately and takes it out of whatever
// the plugin says.
type secrets struct {
	mu     sync.Mutex
	recent []string // newest last
}

const (
	maxSecrets = 256
	// minSecret keeps a short value from turning ordinary words into ***.
	minSecret = 8
	hidden    = "***"
)

func newSecrets() *secrets { return &secrets{} }

// lend remembers the secrets of a credential.
func (s *secrets) lend(c social.Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(c.AccessToken)
	for _, v := range c.Secrets {
		s.add(v)
	}
	if n := len(s.recent) - maxSecrets; n > 0 {
		s.recent = slices.Delete(s.recent, 0, n)
	}
}

func (s *secrets) add(v string) {
	if len(v) >= minSecret && !slices.Contains(s.recent, v) {
		s.recent = append(s.recent, v)
	}
}

// What a secret looks like where the value itself is unknown: a header, a
// field of a form or of JSON.
var (
	schemePattern = regexp.MustCompile(`(?i)\b(bearer|basic|dpop)\s+[A-Za-z0-9._~+/=-]{8,}`)
	fieldPattern  = regexp.MustCompile(`(?i)("?\b(?:access_?token|refresh_?token|client_?secret|password|app_?password|authorization|api_?key|accessJwt|refreshJwt)"?\s*[:=]\s*"?)[^\s"&,;]+`)
)

// redact replaces secrets by ***.
func (s *secrets) redact(text string) string {
	s.mu.Lock()
	for _, v := range s.recent {
		text = strings.ReplaceAll(text, v, hidden)
	}
	s.mu.Unlock()
	text = schemePattern.ReplaceAllString(text, "$1 "+hidden)
	return fieldPattern.ReplaceAllString(text, "${1}"+hidden)
}
