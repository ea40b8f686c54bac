package pluginhost_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/ports/social"
)

func TestOutputIsLimitedAndRedacted(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(b)
	}), nil))
	text := func() string {
		mu.Lock()
		defer mu.Unlock()
		return out.String()
	}
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Log = log })
	p := open(t, h, "test.good")
	for _, say := range []string{"log logged tok-0123456789", "print printed tok-0123456789", "log header Bearer abcdefghijkl"} {
		if _, err := publish(p, say, false); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, time.Minute, "the output is in the log", func() bool {
		return strings.Contains(text(), "logged ***") && strings.Contains(text(), "printed ***") && strings.Contains(text(), "Bearer ***")
	})
	if strings.Contains(text(), "0123456789") || strings.Contains(text(), "abcdefghijkl") {
		t.Errorf("a secret is in the log:\n%s", text())
	}
	if _, err := publish(p, "stderr", false); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := publish(p, "now", false); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(text()); n > 2<<20 {
		t.Errorf("%d bytes of noise were logged", n)
	}
}

// What a plugin's plain error says reaches the operator, without secrets.
func TestTheCauseOfAFailureIsLogged(t *testing.T) {
	t.Parallel()
	out := &journal{}
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Log = slog.New(slog.NewTextHandler(out, nil)) })
	_, err := publish(open(t, h, "test.good"), "mishap tok-0123456789", false)
	if f := social.FaultOf(err, false); err == nil || f.Key != "plugin.broken" {
		t.Fatal(err)
	}
	for _, want := range []string{"plugin call failed", "plugin=test.good", "method=publish", "tenant=", "key=plugin.broken", `cause="no such host: ***"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, out.String())
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
