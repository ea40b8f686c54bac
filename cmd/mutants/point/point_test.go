package point

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestOneIsOn(t *testing.T) {
	defer func(was int) { on = was }(on)
	on = 7
	no := errors.New("no")
	if Err(6, no) == nil || Err(7, no) != nil || !Cond(6, true, false) || Cond(7, true, false) || Text(6, "a", "b") != "a" || Text(7, "a", "b") != "b" {
		t.Error("not the seventh is on")
	}
	if got := Lines(6, "a\nb\nc\n"); got != "a\nc\n" {
		t.Errorf("%q", got)
	}
	if got := Lines(8, "a\nb\n"); got != "a\nb\n" {
		t.Errorf("%q", got)
	}
}

func TestWhatIsPassedIsNotedOnce(t *testing.T) {
	defer func(was string) { seen = was }(seen)
	seen = filepath.Join(t.TempDir(), "seen")
	for _, n := range []int{3, 4, 3} {
		At(n)
	}
	raw, err := os.ReadFile(seen)
	if err != nil || string(raw) != "3\n4\n" {
		t.Errorf("%q, %v", raw, err)
	}
}
