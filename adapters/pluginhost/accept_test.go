package pluginhost_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// A plugin that says something else of itself than was agreed gets no call and
// does not stay.
func TestAPluginThatIsNotAcceptedIsEnded(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	refuse := func(m social.Manifest) error {
		asked.Add(1)
		if m.ID != "test.good" {
			t.Errorf("asked about %q", m.ID)
		}
		return errors.New("not what was approved")
	}
	h := host(t, "good", "test.good", func(_ *pluginhost.Config, s *pluginhost.Spec) { s.Accept = refuse })
	p, err := h.Platform(t.Context(), "test.good")
	if err == nil {
		_, err = publish(p, "x", false)
	}
	if !fault.Is(err, fault.Unavailable) {
		t.Fatalf("%v, want it to be unavailable", err)
	}
	status := h.Status()[0]
	if asked.Load() == 0 || status.PID != 0 || !strings.Contains(status.LastError, "not what was approved") {
		t.Errorf("asked %d times, %+v", asked.Load(), status)
	}
}
