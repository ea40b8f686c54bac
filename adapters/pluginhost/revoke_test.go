package pluginhost_test

import (
	"sync"
	"testing"

	"github.com/carillonhq/carillon/adapters/pluginhost"
)

// A way to the network ends with the plugin that had it, and with one that never
// came to run.
func TestAPluginsWayOutEndsWithIt(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var doors []*door
	open := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, d := range doors {
			if d.revoked.Load() == 0 {
				n++
			}
		}
		return n
	}
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
		c.Egress = func(string) pluginhost.Egress {
			mu.Lock()
			defer mu.Unlock()
			doors = append(doors, &door{})
			return doors[len(doors)-1]
		}
	})
	for range 3 {
		if err := h.Install(t.Context(), pluginhost.Spec{ID: "test.leaves", Name: "leaves"}); err == nil {
			t.Fatal("it started")
		}
		if err := h.Install(t.Context(), pluginhost.Spec{ID: "test.finder", Name: "finder"}); err != nil {
			t.Fatal(err)
		}
		if n := open(); n != 2 {
			t.Errorf("%d are open, want two plugins'", n)
		}
		if err := h.Remove(t.Context(), "test.finder"); err != nil {
			t.Error(err)
		}
	}
	if n := open(); n != 1 {
		t.Errorf("%d are open, want that of the plugin that is left", n)
	}
	if err := h.Close(t.Context()); err != nil || open() != 0 {
		t.Errorf("%d are open after the host, %v", open(), err)
	}
}
