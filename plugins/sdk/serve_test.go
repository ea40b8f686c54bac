package sdk_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// The test binary is also the plugin.
func TestMain(m *testing.M) {
	switch os.Getenv("SDK_FIXTURE") {
	case "good":
		m := manifest()
		m.Capabilities = nil
		sdk.Serve(finding{plain{m}})
	case "nameless":
		sdk.Serve(plain{social.Manifest{}})
	default:
		os.Exit(m.Run())
	}
}

// spawn starts the plugin by hand, as a host without go-plugin would.
func spawn(t *testing.T, fixture string, env ...string) (cmd *exec.Cmd, stdin io.Closer, line string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(self)
	cmd.Env = append([]string{"SDK_FIXTURE=" + fixture, "PLUGIN_PROTOCOL_VERSIONS=1", "TMPDIR=" + t.TempDir()}, env...)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, _ = bufio.NewReader(out).ReadString('\n') // empty if it ended before
	return cmd, in, line
}

func cookie() string {
	return sdk.Handshake.MagicCookieKey + "=" + sdk.Handshake.MagicCookieValue
}

// ends waits for cmd and returns its exit status.
func ends(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
		return cmd.ProcessState.ExitCode()
	case <-time.After(5 * time.Second):
		t.Fatal("it runs on")
		return 0
	}
}

func TestThePluginLeavesWhenItsHostIsGone(t *testing.T) {
	cmd, stdin, line := spawn(t, "good", cookie())
	if !strings.HasPrefix(line, "1|1|unix|") || !strings.Contains(line, "|grpc|") {
		t.Fatalf("handshake %q", line)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if code := ends(t, cmd); code != 0 {
		t.Errorf("status %d", code)
	}
}

func TestThePluginLeavesWhenAsked(t *testing.T) {
	cmd, _, _ := spawn(t, "good", cookie())
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := ends(t, cmd); code != 0 {
		t.Errorf("status %d", code)
	}
}

func TestAPluginIsNotRunByHand(t *testing.T) {
	cmd, _, line := spawn(t, "good")
	if code := ends(t, cmd); code != 1 || line != "" {
		t.Errorf("status %d, said %q", code, line)
	}
}

func TestABadManifestIsNotServed(t *testing.T) {
	cmd, _, line := spawn(t, "nameless", cookie())
	if code := ends(t, cmd); code != 2 || line != "" {
		t.Errorf("status %d, said %q", code, line)
	}
}
