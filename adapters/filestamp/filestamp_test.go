package filestamp

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAChangeShowsWhateverIsSetBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	look := func() os.FileInfo {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	long := time.Now().Add(-time.Hour)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	before := Of(look())
	if !before.Same(look()) || (Stamp{}).Same(look()) || (Stamp{}).Older(time.Now(), 0) {
		t.Error("it is itself, and nothing is nothing")
	}
	if before.Older(time.Now(), Margin) {
		t.Error("what was changed just now may change again unseen")
	}
	if !before.Older(time.Now().Add(2*Margin), Margin) {
		t.Error("what was changed long ago may not")
	}
	for end := time.Now().Add(time.Minute); before.Same(look()) && time.Now().Before(end); {
		write("two") // the clock of the file system ticks
	}
	if before.Same(look()) {
		t.Error("another content with the same size and time passes")
	}
}
