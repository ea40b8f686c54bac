package pluginhost_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

func TestEveryAbilityReachesThePlugin(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
