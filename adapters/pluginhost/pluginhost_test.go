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
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// promptly is how long what should not wait may take, far below patient.
const promptly = 10 * time.Second

func TestAPluginPublishes(t *testing.T) {
	t.Parallel()
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

func TestHandshakesThatLieAreRefused(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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

func TestOneTenantLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
