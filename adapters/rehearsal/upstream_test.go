package rehearsal

import (
	"context"
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
