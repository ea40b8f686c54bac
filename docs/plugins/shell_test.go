package plugins_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a block, or the output that it is to have, may take.
const patience = 3 * time.Minute

// A shell is one terminal of the reader: a process that keeps its folder and
// its variables from block to block.
type shell struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	home  string
	ended chan struct{}

	mu      sync.Mutex
	said    bytes.Buffer
	changed chan struct{}
}

// mark begins the line with which a block's end is told.
const mark = "\x01"

func openShell(t *testing.T, home string, env []string, prologue string) *shell {
	t.Helper()
	s := &shell{t: t, cmd: exec.Command("sh"), home: home, ended: make(chan struct{}), changed: make(chan struct{})}
	s.cmd.Dir, s.cmd.Env, s.cmd.SysProcAttr = home, env, &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.WaitDelay = s, s, 20*time.Second
	in, err := s.cmd.StdinPipe()
	must(t, err)
	s.in = in
	must(t, s.cmd.Start())
	go func() { _ = s.cmd.Wait(); close(s.ended) }()
	t.Cleanup(s.close)
	s.run("trap : TERM\n"+prologue, false) // it outlives what it runs, and leaves at the end of its input
	return s
}

// Write implements io.Writer.
func (s *shell) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.said.Write(b)
}

func (s *shell) output() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.String(), s.changed
}

// begin starts the commands of a block.
func (s *shell) begin(commands string) {
	s.t.Helper()
	f, err := os.CreateTemp(s.home, ".block-*")
	must(s.t, err)
	_, err = f.WriteString(commands)
	must(s.t, err)
	must(s.t, f.Close())
	s.mu.Lock()
	s.said.Reset()
	s.mu.Unlock()
	// What the commands read is not the shell's own input.
	_, err = fmt.Fprintf(s.in, ". %s </dev/null; printf '\\n"+mark+"%%s %%s\\n' \"$?\" \"$PWD\"\n", f.Name())
	must(s.t, err)
}

// run runs commands to their end and returns what they said and the folder
// they left the shell in.
func (s *shell) run(commands string, fails bool) (said, dir string) {
	s.t.Helper()
	first := "set -e\n"
	if fails {
		first = "set +e\n"
	}
	s.begin(first + commands)
	said, ok := s.until(func(said string) bool {
		_, end, found := strings.Cut(said, mark)
		return found && strings.HasSuffix(end, "\n")
	})
	if !ok {
		s.t.Fatalf("it failed:\n%s\nand said:\n%s", commands, said)
	}
	said, end, _ := strings.Cut(said, mark)
	status, dir, _ := strings.Cut(strings.TrimSpace(end), " ")
	if fails == (status == "0") {
		s.t.Fatalf("status %s of:\n%s\nwhich said:\n%s", status, commands, said)
	}
	return said, dir
}

// failed reports whether the commands of the last block have ended badly, with
// which the shell ends as well.
func (s *shell) failed() (said string, failed bool) {
	said, _ = s.output()
	_, end, over := strings.Cut(said, mark)
	select {
	case <-s.ended:
		return said, true
	default:
		return said, over && !strings.HasPrefix(end, "0 ")
	}
}

// until waits for the output to be as is wanted; not if the shell ends before.
func (s *shell) until(wanted func(string) bool) (string, bool) {
	s.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		said, more := s.output()
		if wanted(said) {
			return said, true
		}
		select {
		case <-more:
		case <-s.ended:
			said, _ := s.output()
			return said, wanted(said)
		case <-limit.C:
			return said, false
		}
	}
}

// close ends the shell and everything that it started.
func (s *shell) close() {
	_ = s.in.Close()
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		s.t.Errorf("terminal of %s: it does not end", filepath.Base(s.home))
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.ended
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
