package examples_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// each runs a test with every example, side by side.
func each(t *testing.T, test func(*testing.T, pluginhost.Spec)) {
	t.Parallel()
	for name, spec := range map[string]func(*testing.T) pluginhost.Spec{"Go": inGo, "TypeScript": inTypeScript, "Python": inPython} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, spec(t))
		})
	}
}

// spawn starts a plugin by hand.
func spawn(t *testing.T, spec pluginhost.Spec, env ...string) (cmd *exec.Cmd, stdin io.Closer, line string) {
	t.Helper()
	cmd = exec.Command(spec.Binary, spec.Args...)
	cmd.Dir = spec.Dir
	cmd.Env = append([]string{"PLUGIN_PROTOCOL_VERSIONS=1", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}, env...)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, _ = bufio.NewReader(out).ReadString('\n') // empty if it ended before
	return cmd, in, line
}

// ends waits for cmd and returns its exit status.
func ends(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
		return cmd.ProcessState.ExitCode()
	case <-time.After(time.Minute):
		t.Fatal("it runs on")
		return 0
	}
}

var cookie = sdk.Handshake.MagicCookieKey + "=" + sdk.Handshake.MagicCookieValue

func TestThePluginLeavesWhenItsHostIsGone(t *testing.T) {
	each(t, func(t *testing.T, spec pluginhost.Spec) {
		cmd, stdin, line := spawn(t, spec, cookie)
		if !strings.HasPrefix(line, "1|1|unix|/") || !strings.Contains(line, "|grpc|") {
			t.Fatalf("handshake %q", line)
		}
		if err := stdin.Close(); err != nil {
			t.Fatal(err)
		}
		if code := ends(t, cmd); code != 0 {
			t.Errorf("status %d", code)
		}
	})
}

func TestThePluginLeavesWhenAsked(t *testing.T) {
	each(t, func(t *testing.T, spec pluginhost.Spec) {
		cmd, _, _ := spawn(t, spec, cookie)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := ends(t, cmd); code != 0 {
			t.Errorf("status %d", code)
		}
	})
}

func TestAPluginIsNotRunByHand(t *testing.T) {
	each(t, func(t *testing.T, spec pluginhost.Spec) {
		cmd, _, line := spawn(t, spec)
		if code := ends(t, cmd); code != 1 || line != "" {
			t.Errorf("status %d, said %q", code, line)
		}
	})
}

// A plugin that is asked to leave answers what it has begun: a commit that was
// cut off costs a search.
func TestTheLastCallIsAnswered(t *testing.T) {
	each(t, func(t *testing.T, spec pluginhost.Spec) {
		host := hostOf(t, spec)
		p, err := host.Platform(t.Context(), spec.ID)
		if err != nil {
			t.Fatal(err)
		}
		h := chirp(t)
		gate := h.Server.(*server).slow()
		answered := make(chan error, 1)
		go func() {
			_, err := p.Publish(t.Context(), committing(h, "key-last", "The last one."))
			answered <- err
		}()
		<-gate.reached
		if err := syscall.Kill(host.Status()[0].PID, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		close(gate.open)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		if n := len(h.Server.Objects()); n != 1 {
			t.Errorf("%d objects", n)
		}
	})
}

// When the host gives a call up, its request ends: it does not run on unheard.
func TestARequestEndsWithItsCall(t *testing.T) {
	each(t, func(t *testing.T, spec pluginhost.Spec) {
		p := start(t, spec)
		h := chirp(t)
		gate := h.Server.(*server).slow()
		defer close(gate.open)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-gate.reached
			cancel()
		}()
		_, err := p.Publish(ctx, committing(h, "key-cut", "Cut off."))
		if f := social.FaultOf(err, true); err == nil || f.Kind != social.Ambiguous {
			t.Errorf("%v", err)
		}
		select {
		case <-gate.left:
		case <-time.After(time.Minute):
			t.Error("the request ran on")
		}
	})
}

// Two tenants at once, each with a token of its own: nothing crosses over.
func TestTenantsDoNotMix(t *testing.T) {
	each(t, func(t *testing.T, spec pluginhost.Spec) {
		p := start(t, spec)
		h := chirp(t)
		var wg sync.WaitGroup
		for i := range 16 {
			user := []string{"ann", "bob"}[i%2]
			wg.Go(func() {
				req := committing(h, "key-"+user+string(rune('a'+i)), "From "+user)
				req.Call.Tenant, req.Call.Credential.AccessToken = user, tokens[user]
				if _, err := p.Publish(t.Context(), req); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		posts := h.Server.(*server).Posts()
		if len(posts) != 16 {
			t.Errorf("%d posts", len(posts))
		}
		for _, post := range posts {
			if post.Text != "From "+post.Author {
				t.Errorf("%s wrote %q", post.Author, post.Text)
			}
		}
	})
}

// A commit step that the host did not arm, or a request that cannot be read,
// does nothing.
func TestNothingIsSentBeforeItsTurn(t *testing.T) {
	each(t, func(t *testing.T, spec pluginhost.Spec) {
		p := start(t, spec)
		h := chirp(t)
		req := committing(h, "key-early", "Too early.")
		req.Commit = false
		step, err := p.Publish(t.Context(), req)
		if err != nil || step.Next == nil || !step.Next.Commit {
			t.Errorf("%+v, %v", step, err)
		}
		req.State, req.Commit = []byte("{"), true
		_, err = p.Publish(t.Context(), req)
		if f := social.FaultOf(err, true); err == nil || !f.Kind.Refused() || f.Kind == social.Transient {
			t.Errorf("a state that is none: %v", err)
		}
		if n := len(h.Server.Objects()); n != 0 {
			t.Errorf("%d objects", n)
		}
	})
}

// committing is a commit step of a post without pictures.
func committing(h harness, key, text string) social.PublishRequest {
	call := h.Call
	call.Idempotency = key
	return social.PublishRequest{Call: call, Account: h.Account, Attempt: 1, Commit: true, Content: social.Content{Text: text}}
}

// The SDKs' own tests, in their own languages.
func TestTheSDKsOwnTests(t *testing.T) {
	t.Parallel()
	out, err := tool("test")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "pass") {
		t.Errorf("no test ran:\n%s", out)
	}
}
