package pluginhost

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/ports/social"
)

const canary = "canary/0123+456789"

// What is lent now is never forgotten, however much else is.
func TestWhatIsLentIsKnown(t *testing.T) {
	s := newSecrets()
	back := s.lend(canary)
	again := s.lend(canary)
	for i := range 2 * maxSecrets {
		s.lend(fmt.Sprintf("another-token-%06d", i))()
	}
	back()
	back() // does not count twice
	for i := range 2 * maxSecrets {
		s.lend(fmt.Sprintf("another-token-%06d", i))()
	}
	if got := s.redact(canary); got != hidden {
		t.Errorf("lent: %q", got)
	}
	again()
	s.lend(fmt.Sprintf("another-token-%06d", 0))()
	if got := s.redact(canary); got != hidden {
		t.Errorf("given back a moment ago: %q", got)
	}
	for i := range maxSecrets {
		s.lend(fmt.Sprintf("a-third-token-%06d", i))()
	}
	if len(s.recent) != maxSecrets || len(s.lent) != 0 {
		t.Errorf("remembers %d, and %d as lent", len(s.recent), len(s.lent))
	}
}

// A secret is struck in each form that a text may have it in, and where a text
// was cut within it.
func TestFormsOfASecret(t *testing.T) {
	s := newSecrets()
	defer s.lend(canary, canary+"-and-more", `quo"ted\secret`)()
	for text, want := range map[string]string{
		"/bot" + canary + "/send":        "/bot***/send",
		"/bot/canary%2F0123+456789/send": "/bot/***/send",
		"?q=canary%2F0123%2B456789&x":    "?q=***&x",
		canary + "-and-more":             hidden,
		`{"said":"quo\"ted\\secret"}`:    `{"said":"***"}`,
		"cut: " + canary[:9]:             "cut: ***",
		"cut: " + canary + canary[:12]:   "cut: ******",
		"a canary":                       "a ***", // it may have been
		"a can":                          "a can",
		"cut: " + canary[:3]:             "cut: can",
	} {
		if got := s.redact(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// Pieces of a line are one line, whatever piece a secret is in, and so is what
// of a long one is kept.
func TestALineInPieces(t *testing.T) {
	for name, line := range map[string]string{
		"short":                 "a " + canary + " b",
		"over a piece":          strings.Repeat("x", 1020) + canary + " after",
		"over what is kept":     strings.Repeat("x", maxLine-9) + canary + " after",
		"over pieces and lines": strings.Repeat("x", 1010) + canary + "\r\n" + strings.Repeat("y", 1015) + canary + "\nlast",
		"much longer":           strings.Repeat(canary, 3000),
	} {
		t.Run(name, func(t *testing.T) {
			for _, piece := range []int{1, 7, 1024, 1 << 20} {
				var b bytes.Buffer
				w := &logWriter{log: slog.New(slog.NewTextHandler(&b, nil)), secrets: newSecrets()}
				defer w.secrets.lend(canary)()
				r := &relay{out: w}
				for rest := line + "\nnext line"; rest != ""; {
					n := min(piece, len(rest))
					_, _ = r.Write([]byte(rest[:n]))
					rest = rest[n:]
				}
				r.end()
				w.drain(bufio.NewReaderSize(strings.NewReader(line+"\n"), maxLine))
				got := b.String()
				if strings.Contains(got, "0123") || strings.Contains(got, canary[:7]) || !strings.Contains(got, "next line") {
					t.Errorf("in pieces of %d: %s", piece, strings.NewReplacer(strings.Repeat("x", 100), "…", strings.Repeat("y", 100), "…").Replace(got))
				}
				if strings.Count(got, "plugin output") > 2*strings.Count(line, "\n")+3 {
					t.Errorf("in pieces of %d: %d lines", piece, strings.Count(got, "plugin output"))
				}
			}
		})
	}
}

func TestCleanKeepsTheKind(t *testing.T) {
	s := newSecrets()
	defer s.lend(canary)()
	err := s.clean(fmt.Errorf("%w: it said %s", errSilent, canary))
	if strings.Contains(err.Error(), "0123") || !errors.Is(err, errSilent) || s.clean(nil) != nil {
		t.Error(err)
	}
}

// What the operator set and the schema calls a password is a secret of every
// tenant's calls.
func TestSecretSettingsAreSecrets(t *testing.T) {
	m := &social.Manifest{SettingsSchema: []byte(`{"properties":{"bot_token":{"type":"string","format":"password"},"region":{"type":"string"},"odd":true}}`)}
	c := social.Call{Credential: social.Credential{AccessToken: "a", Secrets: map[string]string{"x": "b"}}, App: map[string]string{"bot_token": "c", "region": "d"}}
	if got := strings.Join(c.Secrets(m), ""); got != "abc" {
		t.Errorf("%q", got)
	}
	if got := strings.Join(c.Secrets(nil), ""); got != "ab" {
		t.Errorf("%q", got)
	}
}

// A plugin chooses the words of its end, such as those of a health check.
func TestTheCauseOfAnEndHasNoSecret(t *testing.T) {
	r := &run{cmd: &exec.Cmd{}, out: &logWriter{secrets: newSecrets()}}
	defer r.out.secrets.lend(canary)()
	r.killFor(fmt.Errorf("%w: %s", errSilent, canary))
	if err := r.cause(); !errors.Is(err, errSilent) || strings.Contains(err.Error(), "0123") {
		t.Error(err)
	}
}
