//go:build unix

package localpg_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/localpg"
)

func TestDataSurvivesAStopAndAKill(t *testing.T) {
	o := options(t)
	s := start(t, o)
	if s.Reused {
		t.Error("a fresh folder had a server")
	}
	exec1(t, s.URL, "create table kept (n int)")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if alive(s.PID) {
		t.Fatal("the server outlived its last user")
	}

	s = start(t, o)
	exec1(t, s.URL, "insert into kept values (1)")
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	next := start(t, o) // at once: lock file and shared memory are still there
	if next.URL != s.URL {
		t.Errorf("it moved from %s to %s: nobody who was connected will find it", s.URL, next.URL)
	}
	exec1(t, next.URL, "insert into kept values (2)")
	_ = s.Stop()
	if err := next.Stop(); err != nil || alive(next.PID) {
		t.Errorf("stop: %v", err)
	}
}

func TestStartersShareOneServer(t *testing.T) {
	o := options(t)
	type result struct {
		s   *localpg.Server
		err error
	}
	results := make(chan result, 2)
	for range 2 {
		go func() {
			s, err := localpg.Start(t.Context(), o)
			results <- result{s, err}
		}()
	}
	a, b := <-results, <-results
	if a.err != nil || b.err != nil {
		t.Fatal(a.err, b.err)
	}
	if a.s.PID != b.s.PID || a.s.Reused == b.s.Reused {
		t.Errorf("%+v and %+v", a.s, b.s)
	}
	if err := a.s.Stop(); err != nil {
		t.Fatal(err)
	}
	exec1(t, b.s.URL, "select 1")
	if err := b.s.Stop(); err != nil || alive(b.s.PID) {
		t.Errorf("stop: %v", err)
	}
}

// A user that is killed cannot say goodbye; the server must still go.
func TestTheServerGoesWithItsLastUser(t *testing.T) {
	o := options(t)
	if dir := os.Getenv("LOCALPG_CHILD"); dir != "" {
		o.Dir = dir
		s := start(t, o)
		if err := os.WriteFile(filepath.Join(dir, "started"), []byte(s.URL), 0o600); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	child := exec.Command(os.Args[0], "-test.run=^TestTheServerGoesWithItsLastUser$")
	child.Env = append(os.Environ(), "LOCALPG_CHILD="+o.Dir)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child starts", func() bool { _, err := os.Stat(filepath.Join(o.Dir, "started")); return err == nil })
	s := start(t, o)
	if !s.Reused {
		t.Fatal("two servers on one folder")
	}
	other := start(t, o)
	if err := errors.Join(child.Process.Kill(), s.Stop()); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	exec1(t, other.URL, "select 1")
	if err := other.Stop(); err != nil || alive(s.PID) {
		t.Errorf("stop: %v", err)
	}
}

func TestDataOfAnotherVersionIsLeftAlone(t *testing.T) {
	o := options(t)
	precious := filepath.Join(o.Dir, "data", "PG_VERSION")
	if err := errors.Join(os.MkdirAll(filepath.Dir(precious), 0o755), os.WriteFile(precious, []byte("9\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	_, err := localpg.Start(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "PostgreSQL 9") {
		t.Errorf("err = %v", err)
	}
	if b, err := os.ReadFile(precious); err != nil || string(b) != "9\n" {
		t.Errorf("the data was touched: %q, %v", b, err)
	}
}

func TestAFolderTheServerCannotEnterIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root hands the data to another user
	}
	o := options(t)
	o.Dir = filepath.Join(o.Dir, "private", "db")
	if err := os.MkdirAll(filepath.Dir(o.Dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := localpg.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "/var/lib/carillon") {
		t.Errorf("err = %v", err)
	}
}

func TestAnInterruptedInitdbIsDoneAgain(t *testing.T) {
	o := options(t)
	half := filepath.Join(o.Dir, "data.new", "base")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	s := start(t, o)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
}

// options are for a folder that whichever user the server runs as can enter.
func options(t *testing.T) localpg.Options {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "localpg-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return localpg.Options{Dir: dir, Database: "carillon", Settings: map[string]string{"fsync": "off"}}
}

func start(t *testing.T, o localpg.Options) *localpg.Server {
	t.Helper()
	s, err := localpg.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func exec1(t *testing.T, url, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, query); err != nil {
		t.Fatal(err)
	}
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited 30 s and %s is still to come", what)
		case <-tick.C:
		}
	}
}
