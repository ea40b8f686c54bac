package pluginhost_test

import (
	"path/filepath"
	"strconv"
	"testing"
)

// What a plugin writes is in memory and bounded. Nothing of it is on the disk,
// its socket included.
func (pr *prison) fillsNoDisk(t *testing.T) {
	if got, err := strconv.Atoi(pr.tell(t, "fill")); err != nil || got == 0 || got > 64 {
		t.Errorf("it wrote %d MiB, %v", got, err)
	}
	left, err := filepath.Glob(filepath.Join(pr.base, "s", "h*", "plugin-dir*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("on the disk: %q, %v", left, err)
	}
}
