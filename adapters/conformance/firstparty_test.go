package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/conformance"
	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/plugins/bluesky"
	"github.com/carillonhq/carillon/plugins/bluesky/blueskyfake"
	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/plugins/discord"
	"github.com/carillonhq/carillon/plugins/mastodon"
	"github.com/carillonhq/carillon/plugins/mastodon/mastodonfake"
	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/telegram"
	"github.com/carillonhq/carillon/ports/social"
)

// pause is between two steps: the fakes are in this process and quick.
const pause = 50 * time.Millisecond

// TestMain lets the test binary be every plugin: "plugin NAME". As a test it
// waits for processes and stalled requests far more than it computes, so more
// run side by side than there are processors.
func TestMain(m *testing.M) {
	sandbox.Main()
	if len(os.Args) == 3 && os.Args[1] == "plugin" {
		serve(os.Args[2])
	}
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(8, runtime.GOMAXPROCS(0)))); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func serve(name string) {
	switch name {
	case "pigeon":
		sdk.Serve(pigeon.New(must(pigeon.FromEnv(os.Getenv))))
	case "mastodon":
		sdk.Serve(mastodon.New(mastodon.Options{}))
	case "bluesky":
		at := os.Getenv("SERVER")
		sdk.Serve(bluesky.New(bluesky.Options{Entry: at, AppView: at, PLC: at}))
	case "telegram":
		sdk.Serve(must(telegram.New(declarative.Options{})))
	case "discord":
		sdk.Serve(must(discord.New(declarative.Options{})))
	default:
		serveDefect(name)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func self(name string) []string { return []string{"plugin", name} }

// upstream is a fake in this process.
type upstream struct {
	url     string
	objects func() []rehearsal.Object
}

func (u upstream) URL() string                                         { return u.url }
func (u upstream) Counts() bool                                        { return true }
func (u upstream) Objects(context.Context) ([]rehearsal.Object, error) { return u.objects(), nil }

func listen(t *testing.T, h http.Handler, objects func() []rehearsal.Object) upstream {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return upstream{server.URL, objects}
}

func account(id, token string, public map[string]string) rehearsal.AccountSettings {
	a := rehearsal.AccountSettings{ID: id}
	a.Credential.AccessToken, a.Credential.Public = token, public
	return a
}

// pigeonOptions are a practice network with two accounts.
func pigeonOptions(t *testing.T, nativeKey bool) rehearsal.Options {
	t.Helper()
	net, err := network.Open(network.Options{Processing: 50 * time.Millisecond, NativeKey: nativeKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = net.Close() })
	up := listen(t, net, func() []rehearsal.Object {
		var out []rehearsal.Object
		for _, p := range net.Objects() {
			out = append(out, rehearsal.Object{ID: p.ID, Text: p.Text})
		}
		return out
	})
	s := rehearsal.Settings{
		Env:     map[string]string{"CARILLON_PIGEON_URL": "{upstream}", "CARILLON_PIGEON_NATIVE_KEY": map[bool]string{true: "1"}[nativeKey]},
		Answers: map[string]rehearsal.Answer{"duplicate": {Body: `{"error":"duplicate"}`}},
	}
	for _, handle := range []string{"harbour", "lantern"} {
		tokens, err := net.SignIn(handle)
		if err != nil {
			t.Fatal(err)
		}
		s.Accounts = append(s.Accounts, account("acc_"+handle, tokens.Access, nil))
	}
	return rehearsal.Options{Program: rehearsal.Program{Name: "pigeon"}, Self: self, Settings: s, Upstream: up}
}

func mastodonOptions(t *testing.T, opt mastodonfake.Options, dedup social.Dedup) rehearsal.Options {
	t.Helper()
	fake := mastodonfake.New(opt)
	fake.Another = "another-token-of-the-same-account"
	up := listen(t, fake, func() []rehearsal.Object {
		var out []rehearsal.Object
		for _, s := range fake.Statuses() {
			out = append(out, rehearsal.Object{ID: s.ID, Text: s.Text})
		}
		return out
	})
	at := map[string]string{"instance": "{host}"}
	s := rehearsal.Settings{Accounts: []rehearsal.AccountSettings{account("1", fake.Token, at), account("1", fake.Another, at)}}
	for i := range s.Accounts {
		s.Accounts[i].Public = map[string]string{"dedup": string(dedup)}
	}
	return rehearsal.Options{Program: rehearsal.Program{Name: "mastodon"}, Self: self, Settings: s, Upstream: up}
}

func blueskyOptions(t *testing.T) rehearsal.Options {
	t.Helper()
	fake := blueskyfake.New(time.Now)
	up := listen(t, fake, func() []rehearsal.Object {
		var out []rehearsal.Object
		for _, r := range fake.Records() {
			text, _ := r.Value["text"].(string)
			out = append(out, rehearsal.Object{ID: r.URI, Text: text})
		}
		return out
	})
	answers := map[string]rehearsal.Answer{}
	for name, said := range map[string]string{"422": "InvalidRequest", "duplicate": "InvalidSwap"} {
		answers[name] = rehearsal.Answer{Status: http.StatusBadRequest, Body: `{"error":"` + said + `","message":""}`}
	}
	s := rehearsal.Settings{
		Env: map[string]string{"SERVER": "{upstream}"}, Answers: answers,
		Connect: []map[string]string{{"identifier": "@" + blueskyfake.Handle, "password": blueskyfake.Password}},
	}
	plugin := bluesky.New(bluesky.Options{Entry: up.url, AppView: up.url, PLC: up.url})
	for range 2 {
		step, err := plugin.Connect(t.Context(), social.ConnectRequest{Input: s.Connect[0]})
		if err != nil || step.Done == nil {
			t.Fatal(err, step)
		}
		a := account(blueskyfake.DID, step.Done.AccessToken, map[string]string{"pds": "{upstream}", "did": blueskyfake.DID})
		a.Credential.Secrets = step.Done.Secrets
		s.Accounts = append(s.Accounts, a)
	}
	return rehearsal.Options{Program: rehearsal.Program{Name: "bluesky"}, Self: self, Settings: s, Upstream: up}
}

// TestFirstParty holds every plugin of this repository to levels 0 to 4.
func TestFirstParty(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]func(*testing.T) rehearsal.Options{
		"pigeon":        func(t *testing.T) rehearsal.Options { return pigeonOptions(t, false) },
		"pigeon by key": func(t *testing.T) rehearsal.Options { return pigeonOptions(t, true) },
		"mastodon":      func(t *testing.T) rehearsal.Options { return mastodonOptions(t, mastodonfake.Options{}, "") },
		"mastodon by words": func(t *testing.T) rehearsal.Options {
			return mastodonOptions(t, mastodonfake.Options{IgnoreKey: true}, social.ByFind)
		},
		"bluesky": blueskyOptions, "telegram": telegramOptions, "discord": discordOptions,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := conformance.Run(t.Context(), conformance.Options{Options: options(t), Level: 4, Pause: pause})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range report.Failed() {
				t.Error(text(r))
			}
			t.Log(summary(report))
			for level, came := range report.Matrix().Levels {
				if came != conformance.Passed {
					t.Errorf("%s: %s", level, came)
				}
			}
		})
	}
}

func text(r conformance.Result) string {
	var b strings.Builder
	r.Text(&b)
	return b.String()
}

func summary(r conformance.Report) string {
	var b bytes.Buffer
	r.Summary(&b)
	for _, one := range r.Results {
		if one.Status == conformance.Skipped {
			one.Text(&b)
		}
	}
	m, _ := json.Marshal(r.Matrix())
	return b.String() + string(m)
}
