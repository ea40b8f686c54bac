package pluginhost_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/pluginhost"
)

// What a check says before a start is why there is none.
func TestACheckBeforeTheStart(t *testing.T) {
	var spoiled error
	h := host(t, "good", "test.good", func(_ *pluginhost.Config, s *pluginhost.Spec) {
		s.Check = func() error { return spoiled }
	})
	spoiled = errors.New("main.py is not what it was")
	if _, err := h.Platform(t.Context(), "test.good"); err == nil || !strings.Contains(err.Error(), "not what it was") && !strings.Contains(h.Status()[0].LastError, "not what it was") {
		t.Errorf("it started: %v, %s", err, h.Status()[0].LastError)
	}
}

// A spec without an id runs whatever is there, to be asked what it is.
func TestWhateverItSaysItIs(t *testing.T) {
	h := host(t, "good", "", func(*pluginhost.Config, *pluginhost.Spec) {})
	p, err := h.Platform(t.Context(), "")
	if err != nil || p.Manifest().ID != "test.good" {
		t.Errorf("%v", err)
	}
}
