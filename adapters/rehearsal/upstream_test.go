package rehearsal

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// A fake that does not come up is an error with the fake's own words, however
// it fails.
func TestAFakeThatDoesNotStart(t *testing.T) {
	for name, tt := range map[string]struct {
		command []string
		patient time.Duration
		want    []string
	}{
		"there is no such command": {[]string{"./no-such-fake"}, time.Minute, []string{"test.upstream.command", "cannot be started", "no-such-fake"}},
		"it is not in PATH":        {[]string{"no-such-fake-anywhere"}, time.Minute, []string{"cannot be started", "no-such-fake-anywhere"}},
		"it ends":                  {[]string{"sh", "-c", "echo out of boats >&2; exit 3"}, time.Minute, []string{"the fake ended with status 3: out of boats"}},
		"it is killed":             {[]string{"sh", "-c", "kill -9 $$"}, time.Minute, []string{"the fake ended with signal: killed: it printed nothing"}},
		"it does not listen":       {[]string{"sh", "-c", "echo thinking >&2; exec sleep 60"}, 500 * time.Millisecond, []string{"neither listens on the port in $PORT nor prints its address: thinking"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), tt.patient)
			defer cancel()
			stage, err := Open(ctx, Options{Files: t.TempDir(), Settings: Settings{Upstream: UpstreamSettings{Command: tt.command}}})
			if err == nil || stage != nil {
				t.Fatalf("stage %v, error %v", stage, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

// What a fake prints is its address only if that is on this machine.
func TestTheFakesAddress(t *testing.T) {
	for name, c := range map[string]struct{ said, want string }{
		"alone":                      {"listening on http://127.0.0.1:4100/\n", "http://127.0.0.1:4100"},
		"behind its documentation":   {"see https://docs.example/fake\nhttp://localhost:4100\n", "http://localhost:4100"},
		"in one line with that":      {"https://docs.example:443/ http://[::1]:9\n", "http://[::1]:9"},
		"only its documentation":     {"see https://docs.example:8443/fake\n", ""},
		"another machine's":          {"http://192.0.2.7:80\n", ""},
		"a name that only begins so": {"http://127.0.0.1.example:80\n", ""},
		"before the line is over":    {"http://127.0.0.1:41", ""},
	} {
		said := make(chan string, 1)
		a := &announced{next: io.Discard, said: said}
		for _, b := range []byte(c.said) { // however it comes
			if _, err := a.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		got := ""
		select {
		case got = <-said:
		default:
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
