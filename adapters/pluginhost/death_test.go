package pluginhost_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/ports/social"
)

func TestACrashMidCall(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good")
	p := open(t, h, "test.good")
	_, err := publish(p, "exit", true)
	if f := social.FaultOf(err, true); err == nil || f.Kind != social.Ambiguous || f.Source != social.FromPlugin {
		t.Fatalf("a crash in a commit: %v", err)
	}
	if _, err := publish(p, "again", true); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	if s := h.Status()[0]; s.Crashes != 1 || !strings.Contains(s.LastError, "exit status 7") {
		t.Errorf("status %+v", s)
	}
}

func TestServingAgainSoonAfterKill(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good")
	p := open(t, h, "test.good")
	pid := running(t, h)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	eventually(t, time.Minute, "serving again", func() bool {
		_, err := publish(p, "now", false)
		return err == nil
	})
	t.Logf("served again after %s", time.Since(begun))
	if now := h.Status()[0].PID; now == pid {
		t.Error("the same process")
	}
}

func TestAGrandchildDoesNotHoldTheHost(t *testing.T) {
	t.Parallel()
	for _, mode := range []sandbox.Mode{sandbox.Best, sandbox.Off} {
		t.Run(string(mode), func(t *testing.T) {
			h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Sandbox.Mode = mode })
			p := open(t, h, "test.good")
			step, err := publish(p, "grandchild", false)
			if err != nil {
				t.Fatal(err)
			}
			pid := outside(t, running(t, h), step.Receipt.Ref.ID)
			begun := time.Now()
			if err := h.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took > promptly {
				t.Errorf("took %s", took)
			}
			eventually(t, time.Minute, "the grandchild ends with the group", func() bool { return gone(pid) || zombie(pid) })
		})
	}
}

// outside is the number that a child of plugin has here, which in a sandbox is
// not the one that it has there.
func outside(t *testing.T, plugin int, inside string) int {
	t.Helper()
	statuses, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, status := range statuses {
		b, err := os.ReadFile(status)
		if err != nil || !strings.Contains(string(b), fmt.Sprintf("\nPPid:\t%d\n", plugin)) {
			continue
		}
		_, ids, _ := strings.Cut(string(b), "\nNSpid:")
		ids, _, _ = strings.Cut(ids, "\n")
		if all := strings.Fields(ids); len(all) > 0 && all[len(all)-1] == inside {
			inside = all[0]
			break
		}
	}
	pid, err := strconv.Atoi(inside)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// zombie reports whether a process ended and nobody has asked how.
func zombie(pid int) bool { return state(pid) == "Z" }

// state is the letter that the kernel gives to what a process is doing.
func state(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, found := bytes.Cut(b, []byte(") "))
	if err != nil || !found {
		return ""
	}
	return string(after[:1])
}

func TestPluginsDieWithTheHost(t *testing.T) {
	t.Parallel()
	for _, mode := range []sandbox.Mode{sandbox.Best, sandbox.Off} {
		t.Run(string(mode), func(t *testing.T) { dieWithTheHost(t, mode) })
	}
}

func dieWithTheHost(t *testing.T, mode sandbox.Mode) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "fixture", "host")
	dir := shortDir(t)
	cmd.Env = []string{instantly, "HOST_DIR=" + dir, "HOST_SANDBOX=" + string(mode)}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, atoi := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || atoi != nil {
		t.Fatalf("the host said %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	eventually(t, time.Minute, "the plugin ends", func() bool { return gone(pid) || zombie(pid) })

	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Fatalf("before the sweep: %v, %v", left, err)
	}
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Dir = dir })
	now, err := os.ReadDir(dir)
	if err != nil || len(now) != 2 || now[0].Name() == left[0].Name() {
		t.Errorf("the dead host's directory was not swept: %v, %v", now, err)
	}
	sibling := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Dir = dir })
	open(t, sibling, "test.good")
	open(t, h, "test.good") // the sibling's start did not sweep a live host
}
