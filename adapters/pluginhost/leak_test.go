package pluginhost_test

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestNothingIsLeftBehind: processes come and go for as long as a host runs,
// so each life must give back its goroutines and descriptors.
func TestNothingIsLeftBehind(t *testing.T) {
	cycle := func() {
		h := host(t, "good", "test.good")
		p := open(t, h, "test.good")
		for range 2 {
			pid := running(t, h)
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, time.Minute, "another process serves", func() bool {
				_, err := publish(p, "now", false)
				return err == nil && h.Status()[0].PID != pid
			})
		}
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	cycle() // whatever is set up once
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	for range 4 {
		cycle()
	}
	// The pipes of the last ones are let go a second later.
	eventually(t, 15*time.Second, "goroutines and descriptors are back", func() bool {
		return runtime.NumGoroutine() <= goroutines+2 && descriptors(t) <= files+2
	})
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
