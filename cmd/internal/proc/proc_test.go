package proc

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The test program is its own guest: it says something and waits to be told.
func TestMain(m *testing.M) {
	switch os.Getenv("PROC_GUEST") {
	case "":
		os.Exit(m.Run())
	case "ends":
		println("goodbye")
		os.Exit(3)
	}
	println("hello")
	select {} // SIGTERM ends it
}

func guest(t *testing.T, as string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "PROC_GUEST="+as)
	return cmd
}

func start(t *testing.T, dir, as string) *Process {
	t.Helper()
	p, err := Start(dir, as, guest(t, as))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func TestAProcessIsStopped(t *testing.T) {
	for name, end := range map[string]func(*Process){"stopped": (*Process).Stop, "killed": (*Process).Kill} {
		p := start(t, t.TempDir(), "waits")
		if p.PID() == 0 {
			t.Errorf("%s: no pid", name)
		}
		end(p)
		end(p) // again is harmless
	}
}

func TestReadyWaitsForTheAnswer(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	if err := start(t, t.TempDir(), "waits").Ready(t.Context(), s.URL, time.Millisecond); err != nil || asked.Load() != 3 {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
}

func TestReadySaysThatItEnded(t *testing.T) {
	dir := t.TempDir()
	addr, err := FreeAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = start(t, dir, "ends").Ready(t.Context(), "http://"+addr, time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("err = %v", err)
	}
	if tails := Tails(dir); !strings.Contains(tails, "--- ends.log\ngoodbye") {
		t.Errorf("logs: %q", tails)
	}
}
