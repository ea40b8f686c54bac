// What the stock client of go-plugin 1.8 gets wrong, each seen on a hostile
// plugin, and the test that holds it off:
//
//	it waits for a frozen plugin, to ask and to kill   TestAFrozenPluginIsGivenUp, TestCloseDoesNotWaitForAFrozenPlugin
//	a grandchild with stdout open holds Kill           TestAGrandchildDoesNotHoldTheHost
//	a certificate without AutoMTLS crashes the host    TestCheckHandshake, "certificate unasked"
//	a handshake may name any TCP address               TestHandshakesThatLieAreRefused, "tcp"
//	a line over 64 KiB on stdout stalls the plugin     TestOutcomes, "stdout line of 300 KB"
//	a digest is checked once, and of a script not      TestWhatRunsIsWhatWasChecked, TestAProgramOfItsOwn
//	kill -9 of the host leaves plugins and sockets     TestPluginsDieWithTheHost
//	a client cannot be started again                   TestServingAgainSoonAfterKill
//	an answer may have 2 GiB                           TestOutcomes, "reply over 4 MiB"
//	a shutdown cuts calls                              TestCloseLetsCallsFinish, TestAnUpgradeUnderLoadFailsNoCall
//	environment and stdin are the host's               TestThePluginSeesNothingOfTheHost
package pluginhost_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// patient are limits that a busy machine does not meet by accident. A test that
// is about a limit shortens that one.
func patient() pluginhost.Timeouts {
	const long = 30 * time.Second
	return pluginhost.Timeouts{Start: long, Prepare: long, Commit: long, Query: long, Probe: long, Idle: time.Hour, Drain: long}
}

// promptly is how long what should not wait may take, far below patient.
const promptly = 10 * time.Second

// host opens a host of the fixture, changed by with.
func host(t testing.TB, name, id string, with ...func(*pluginhost.Config, *pluginhost.Spec)) *pluginhost.Host {
	t.Helper()
	cfg := pluginhost.Config{Args: asFixture, Dir: shortDir(t), Log: slog.New(slog.DiscardHandler), Timeouts: patient()}
	spec := pluginhost.Spec{ID: id, Name: name}
	for _, f := range with {
		f(&cfg, &spec)
	}
	h, err := pluginhost.New(cfg, []pluginhost.Spec{spec})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// unconfined is for fixtures that tell the test something in a file.
func unconfined(c *pluginhost.Config, _ *pluginhost.Spec) { c.Sandbox.Mode = sandbox.Off }

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func open(t testing.TB, h *pluginhost.Host, id string) pluginhost.Plugin {
	t.Helper()
	p, err := h.Platform(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func publish(p social.Platform, text string, commit bool) (social.Step, error) {
	return p.Publish(context.Background(), request(text, commit))
}

func request(text string, commit bool) social.PublishRequest {
	return social.PublishRequest{
		Call:    social.Call{Tenant: "t1", Credential: social.Credential{AccessToken: "tok-0123456789"}},
		Content: social.Content{Text: text}, Commit: commit,
	}
}

// eventually polls until ok or the deadline.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	tick, end := time.NewTicker(5*time.Millisecond), time.After(within)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// running is the process of h's only plugin. It is never 0, which a signal
// would take for this test's own group.
func running(t *testing.T, h *pluginhost.Host) int {
	t.Helper()
	pid := h.Status()[0].PID
	if pid == 0 {
		t.Fatal("the plugin does not run")
	}
	return pid
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestAPluginPublishes(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
		c.Observe = func(o pluginhost.Observation) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, o.Method+" "+o.Outcome)
		}
	})
	if h.Status()[0].PID != 0 {
		t.Error("started before it was needed")
	}
	p := open(t, h, "test.good")
	if diff := cmp.Diff("1.2.3", p.Manifest().Version); diff != "" {
		t.Error(diff)
	}
	step, err := publish(p, "next", false)
	if err != nil || step.Next == nil || !step.Next.Commit {
		t.Fatalf("%+v, %v", step, err)
	}
	step, err = publish(p, "now", true)
	if err != nil || step.Receipt == nil || step.Receipt.Status != social.Live {
		t.Fatalf("%+v, %v", step, err)
	}
	if _, err := h.Platform(t.Context(), "test.other"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown platform: %v", err)
	}
	if list := h.List(t.Context()); len(list) != 1 || list[0].ID != "test.good" {
		t.Errorf("listed %v", list)
	}
	if want := []string{"publish ok", "commit ok"}; !slices.Equal(seen, want) {
		t.Errorf("observed %q, want %q", seen, want)
	}
	if s := h.Status()[0]; s.PID == 0 || len(s.Digest) != 64 || s.Crashes != 0 || s.Version != "1.2.3" {
		t.Errorf("status %+v", s)
	}
}

func TestEveryAbilityReachesThePlugin(t *testing.T) {
	p := open(t, host(t, "finder", "test.finder"), "test.finder")
	ctx, call := t.Context(), social.Call{Tenant: "t", Credential: social.Credential{AccessToken: "a"}}
	for _, c := range []social.Capability{social.CanFind, social.CanMetrics, social.CanAccounts, social.CanRefresh, social.CanConnect} {
		if !p.Manifest().Can(c) {
			t.Errorf("%s was not read off the method set", c)
		}
	}
	if f, err := p.Find(ctx, social.FindRequest{Call: call}); err != nil || f.Verdict != social.Unsure || f.After != time.Minute {
		t.Errorf("find: %+v, %v", f, err)
	}
	if m, err := p.Metrics(ctx, social.MetricsRequest{Posts: []social.Ref{{ID: "x"}}}); err != nil || len(m) != 1 || m[0].Values["likes"] != 1 {
		t.Errorf("metrics: %+v, %v", m, err)
	}
	if a, err := p.Accounts(ctx, call); err != nil || len(a) != 1 || a[0].Limits.MaxText != 5 {
		t.Errorf("accounts: %+v, %v", a, err)
	}
	if _, err := p.Accounts(ctx, social.Call{}); social.FaultOf(err, false).Kind != social.AuthRevoked {
		t.Errorf("accounts of nobody: %v", err)
	}
	if c, err := p.Refresh(ctx, call); err != nil || c.AccessToken != "a+" {
		t.Errorf("refresh: %v", err)
	}
	step, err := p.Connect(ctx, social.ConnectRequest{Input: map[string]string{"handle": "h"}, State: []byte("s")})
	if err != nil || step.Done == nil || step.Done.Public["handle"] != "h" || string(step.State) != "s" {
		t.Errorf("connect: %+v, %v", step, err)
	}
}

func TestWhatThePluginCannotIsUnsupported(t *testing.T) {
	p := open(t, host(t, "good", "test.good"), "test.good")
	ctx := t.Context()
	_, find := p.Find(ctx, social.FindRequest{})
	_, metrics := p.Metrics(ctx, social.MetricsRequest{})
	_, accounts := p.Accounts(ctx, social.Call{})
	_, refresh := p.Refresh(ctx, social.Call{})
	_, connect := p.Connect(ctx, social.ConnectRequest{})
	for i, err := range []error{find, metrics, accounts, refresh, connect} {
		if f := social.FaultOf(err, false); f.Kind != social.Unsupported {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestOutcomes(t *testing.T) {
	p := open(t, host(t, "good", "test.good"), "test.good")
	for name, tt := range map[string]struct {
		text   string
		commit bool
		want   social.Kind
	}{
		"panic in a commit":        {"panic", true, social.Ambiguous},
		"panic before":             {"panic", false, social.Transient},
		"plain error in a commit":  {"plain", true, social.Ambiguous},
		"plain error before":       {"plain", false, social.Transient},
		"fault of broken text":     {"garbage", true, social.Policy},
		"no outcome":               {"neither", true, social.Ambiguous},
		"receipt of nothing":       {"nameless", true, social.Ambiguous},
		"state over the limit":     {"state", false, social.Transient},
		"reply over 4 MiB":         {"big", true, social.Ambiguous},
		"request over 4 MiB":       {strings.Repeat("x", 5<<20), true, social.Invalid},
		"stdout line of 300 KB":    {"stdout", true, ""},
		"settings without a shape": {"settings", true, social.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			req := request(tt.text, tt.commit)
			if tt.text == "settings" {
				req.Content.Settings = map[string]any{"f": func() {}}
			}
			step, err := p.Publish(t.Context(), req)
			if tt.want == "" {
				if err != nil || step.Receipt == nil {
					t.Fatalf("%+v, %v", step, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("answered %+v", step)
			}
			f := social.FaultOf(err, tt.commit)
			if f.Kind != tt.want {
				t.Errorf("%s, want %s: %v", f.Kind, tt.want, err)
			}
			if strings.Contains(f.Upstream+f.Message+fmt.Sprint(f.Err), "0123456789") {
				t.Errorf("a token came back: %+v", f)
			}
		})
	}
}

func TestHandshakesThatLieAreRefused(t *testing.T) {
	for name, want := range map[string]string{
		"tcp": "network", "outside": "outside", "dots": "outside", "no-socket": "no such file", "link": "no socket",
		"no-certificate": "no certificate", "net-rpc": "transport", "newer": "protocol", "endless-line": "8192 bytes",
		"silent": "not ready", "deaf": "not ready", "bad-certificate": "x509", "leaves": "exit status 3", "liar": "says it is",
	} {
		t.Run(name, func(t *testing.T) {
			h := host(t, name, "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
				if name == "silent" || name == "deaf" {
					c.Timeouts.Start = 500 * time.Millisecond
				}
			})
			begun := time.Now()
			_, err := h.Platform(t.Context(), "test.good")
			if f := social.FaultOf(err, true); f.Kind != social.Transient {
				t.Errorf("nothing was sent, but the fault is %s: %v", f.Kind, err)
			}
			if s := h.Status()[0]; !strings.Contains(s.LastError, want) {
				t.Errorf("last error %q, want %q", s.LastError, want)
			}
			if took := time.Since(begun); took > promptly {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestOnlyTheExpectedProgramRuns(t *testing.T) {
	h := host(t, "good", "test.good", func(_ *pluginhost.Config, s *pluginhost.Spec) { s.Digest = strings.Repeat("0", 64) })
	if _, err := h.Platform(t.Context(), "test.good"); err == nil {
		t.Error("a program with another digest ran")
	}
}

func TestThePluginSeesNothingOfTheHost(t *testing.T) {
	t.Setenv("CARILLON_MASTER_KEY", "canary")
	h := host(t, "good", "test.good", func(c *pluginhost.Config, s *pluginhost.Spec) {
		c.Egress = func(string) pluginhost.Egress { return &door{url: "http://127.0.0.1:3128"} }
		c.Direct = []string{"127.0.0.1:80", "127.0.0.1:81"}
		c.Env, s.Env = []string{"ALL=1"}, []string{"ONE=1"}
	})
	step, err := publish(open(t, h, "test.good"), "environment", false)
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Join(step.Receipt.Warnings, "\n")
	for _, want := range []string{"ALL=1", "ONE=1", "HTTPS_PROXY=http://127.0.0.1:3128", "NO_PROXY=127.0.0.1:80,127.0.0.1:81", "GOMEMLIMIT=", "files=512", "core=0", "stdin=p"} {
		if !strings.Contains(env, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(env, "canary") {
		t.Error("the host's secrets are in the plugin's environment")
	}
}

func TestACrashMidCall(t *testing.T) {
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

func TestAFrozenPluginIsGivenUp(t *testing.T) {
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
		c.Timeouts.Commit, c.Timeouts.Probe = 300*time.Millisecond, 500*time.Millisecond
	})
	p := open(t, h, "test.good")
	pid := running(t, h)
	freeze(t, pid)
	begun := time.Now()
	_, err := publish(p, "now", true)
	if f := social.FaultOf(err, true); err == nil || f.Kind != social.Ambiguous {
		t.Errorf("frozen in a commit: %v", err)
	}
	if took := time.Since(begun); took > promptly {
		t.Errorf("the call took %s", took)
	}
	eventually(t, time.Minute, "the frozen process is killed", func() bool { return gone(pid) })
	if _, err := publish(p, "now", false); err != nil {
		t.Errorf("after that: %v", err)
	}
}

func TestASlowPluginIsNotKilled(t *testing.T) {
	h := host(t, "good", "test.good")
	p := open(t, h, "test.good")
	pid := running(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Publish(ctx, request("hang", false)); err == nil {
		t.Fatal("a call without end ended")
	}
	if _, err := publish(p, "now", false); err != nil || h.Status()[0].PID != pid {
		t.Errorf("the plugin was replaced: %v", err)
	}
}

func TestCloseDoesNotWaitForAFrozenPlugin(t *testing.T) {
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Timeouts.Probe = 500 * time.Millisecond })
	p := open(t, h, "test.good")
	pid := running(t, h)
	freeze(t, pid)
	call := make(chan error, 1)
	go func() { _, err := publish(p, "now", true); call <- err }()
	eventually(t, time.Minute, "the call is in flight", func() bool { return h.Status()[0].InFlight == 1 })
	begun := time.Now()
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > promptly {
		t.Errorf("took %s", took)
	}
	if !gone(pid) {
		t.Error("it still runs")
	}
	if err := <-call; err == nil {
		t.Error("the frozen plugin answered")
	}
}

func TestCloseLetsCallsFinish(t *testing.T) {
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Timeouts.Commit = 300 * time.Millisecond })
	p := open(t, h, "test.good")
	done := make(chan error, 1)
	go func() { _, err := publish(p, "hang", true); done <- err }()
	eventually(t, time.Minute, "the call is in flight", func() bool { return h.Status()[0].InFlight == 1 })
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case <-done:
	default:
		t.Error("closed over a call in flight")
	}
	if _, err := publish(p, "now", true); social.FaultOf(err, true).Kind != social.Transient {
		t.Errorf("after Close: %v", err)
	}
}

func TestAGrandchildDoesNotHoldTheHost(t *testing.T) {
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

// freeze stops a process. A busy machine takes a moment to do it.
func freeze(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		eventually(t, time.Minute, "the process stands still", func() bool { return state(pid) == "T" || gone(pid) })
	}
}

func TestOutputIsLimitedAndRedacted(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(b)
	}), nil))
	text := func() string {
		mu.Lock()
		defer mu.Unlock()
		return out.String()
	}
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Log = log })
	p := open(t, h, "test.good")
	for _, say := range []string{"log logged tok-0123456789", "print printed tok-0123456789", "log header Bearer abcdefghijkl"} {
		if _, err := publish(p, say, false); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, time.Minute, "the output is in the log", func() bool {
		return strings.Contains(text(), "logged ***") && strings.Contains(text(), "printed ***") && strings.Contains(text(), "Bearer ***")
	})
	if strings.Contains(text(), "0123456789") || strings.Contains(text(), "abcdefghijkl") {
		t.Errorf("a secret is in the log:\n%s", text())
	}
	if _, err := publish(p, "stderr", false); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := publish(p, "now", false); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(text()); n > 2<<20 {
		t.Errorf("%d bytes of noise were logged", n)
	}
}

// What a plugin's plain error says reaches the operator, without secrets.
func TestTheCauseOfAFailureIsLogged(t *testing.T) {
	out := &journal{}
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Log = slog.New(slog.NewTextHandler(out, nil)) })
	_, err := publish(open(t, h, "test.good"), "mishap tok-0123456789", false)
	if f := social.FaultOf(err, false); err == nil || f.Key != "plugin.broken" {
		t.Fatal(err)
	}
	for _, want := range []string{"plugin call failed", "plugin=test.good", "method=publish", "tenant=", "key=plugin.broken", `cause="no such host: ***"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, out.String())
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestOneTenantLeavesRoomForOthers(t *testing.T) {
	h := host(t, "good", "test.good")
	p := open(t, h, "test.good")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { _, _ = p.Publish(ctx, request("hang", false)) })
	}
	eventually(t, time.Minute, "the tenant's slots are taken", func() bool { return h.Status()[0].InFlight == 8 })
	_, err := publish(p, "ninth", true)
	if f := social.FaultOf(err, true); f.Kind != social.Transient || f.Key != "plugin.busy" {
		t.Errorf("the ninth: %v", err)
	}
	other := request("now", false)
	other.Call.Tenant = "t2"
	if _, err := p.Publish(t.Context(), other); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	cancel()
	wg.Wait()
	if _, err := publish(p, "now", false); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestManyCallsStartOneProcess(t *testing.T) {
	h := host(t, "good", "test.good")
	var wg sync.WaitGroup
	pids := make([]int, 20)
	for i := range pids {
		wg.Go(func() {
			if _, err := h.Platform(t.Context(), "test.good"); err != nil {
				t.Error(err)
			}
			pids[i] = h.Status()[0].PID
		})
	}
	wg.Wait()
	slices.Sort(pids)
	if got := slices.Compact(pids); len(got) != 1 {
		t.Errorf("processes %v", got)
	}
}

func TestPluginsDieWithTheHost(t *testing.T) {
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
	cmd.Env = []string{"HOST_DIR=" + dir, "HOST_SANDBOX=" + string(mode)}
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
