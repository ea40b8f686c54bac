package playground_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/playground"
	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
	"github.com/carillonhq/carillon/plugins/sdk"
)

// TestMain lets the test binary be the plugin.
func TestMain(m *testing.M) {
	sandbox.Main()
	if len(os.Args) == 2 && os.Args[1] == "plugin" {
		opt, err := pigeon.FromEnv(os.Getenv)
		if err != nil {
			panic(err)
		}
		sdk.Serve(pigeon.New(opt))
	}
	os.Exit(m.Run())
}

type fake struct {
	url string
	net *network.Network
}

func (f fake) URL() string  { return f.url }
func (f fake) Counts() bool { return true }

func (f fake) Objects(context.Context) ([]rehearsal.Object, error) {
	var out []rehearsal.Object
	for _, p := range f.net.Objects() {
		out = append(out, rehearsal.Object{ID: p.ID, Text: p.Text})
	}
	return out, nil
}

// page is a playground of Pigeon's plugin as its page sees it.
type page struct {
	*testing.T
	url   string
	token string
}

type state struct {
	Version, Swaps, Count, PID    int
	Status, Problem, Build, Armed string
	Manifest                      struct{ ID string }
	Takes                         []struct {
		ID          int
		Phase, Text string
		Waiting     bool
		Steps       []struct{ Method, Outcome string }
	}
	Logs []string
}

func open(t *testing.T, change func(*playground.Options)) page {
	t.Helper()
	net1, err := network.Open(network.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(net1)
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = net1.Close() })
	tokens, err := net1.SignIn("harbour")
	if err != nil {
		t.Fatal(err)
	}
	s := rehearsal.Settings{Env: map[string]string{"CARILLON_PIGEON_URL": "{upstream}"}, Accounts: []rehearsal.AccountSettings{{ID: "acc_harbour"}}}
	s.Accounts[0].Credential.AccessToken = tokens.Access
	opt := playground.Options{Options: rehearsal.Options{
		Program: rehearsal.Program{Name: "pigeon"}, Self: func(string) []string { return []string{"plugin"} }, Settings: s, Upstream: fake{server.URL, net1},
	}, Every: 10 * time.Millisecond}
	if change != nil {
		change(&opt)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- playground.New(opt).Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return page{t, "http://" + ln.Addr().String(), tokens.Access}
}

func (p page) post(path string, body any) {
	p.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		p.Fatal(err)
	}
	req, err := http.NewRequestWithContext(p.Context(), http.MethodPost, p.url+path, bytes.NewReader(raw))
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("X-Playground", "1")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer res.Body.Close()
	if said, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		p.Fatalf("%s: %d %s", path, res.StatusCode, said)
	}
}

// until asks for news until ok.
func (p page) until(ok func(state) bool) state {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
	defer cancel()
	var s state
	for version := "-1"; ; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/state?after="+version, nil)
		if err != nil {
			p.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			p.Fatalf("%v; the last state is %+v", err, s)
		}
		raw, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		s = state{}
		if err = errors.Join(err, json.Unmarshal(raw, &s)); err != nil {
			p.Fatal(err)
		}
		if strings.Contains(string(raw), p.token) {
			p.Fatalf("the page shows the token: %s", raw)
		}
		if ok(s) {
			return s
		}
		number, _ := json.Marshal(s.Version)
		version = string(number)
	}
}

func running(s state) bool { return s.Status == "running" }

// path is what happened to the newest publication.
func path(s state) string {
	var steps []string
	for _, one := range s.Takes[0].Steps {
		steps = append(steps, one.Method+" "+one.Outcome)
	}
	return strings.Join(steps, ", ")
}

func TestTroubleIsSettled(t *testing.T) {
	for arm, want := range map[string]string{
		"":             "publish next, commit receipt",
		"lose-reply":   "publish next, commit fault, find found",
		"crash-after":  "publish next, commit fault, find found",
		"crash-before": "publish next, commit fault, find absent, commit receipt",
	} {
		t.Run("armed "+arm, func(t *testing.T) {
			t.Parallel()
			p := open(t, nil)
			p.until(running)
			p.post("/api/arm", map[string]string{"what": arm})
			p.post("/api/publish", map[string]any{"format": "post", "text": "Low tide"})
			s := p.until(func(s state) bool { return len(s.Takes) == 1 && s.Takes[0].Phase == "published" && s.Count > 0 })
			if got := path(s); got != want || s.Count != 1 || s.Armed != "" {
				t.Errorf("%s, %d live, armed %q; want %s", got, s.Count, s.Armed, want)
			}
		})
	}
}

// The server of an author's choice stands in for the fake: the plugin asks for
// it by its own address.
func TestAnotherUpstream(t *testing.T) {
	p := open(t, func(o *playground.Options) {
		up, err := rehearsal.Remote([]string{o.Upstream.URL()}, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("PIGEON_TOKEN", o.Settings.Accounts[0].Credential.AccessToken)
		o.Upstream, o.Settings.Accounts[0].Credential.AccessToken = up, "{env:PIGEON_TOKEN}"
	})
	p.until(running)
	p.post("/api/publish", map[string]any{"format": "post", "text": "Low tide"})
	s := p.until(func(s state) bool { return len(s.Takes) == 1 && s.Takes[0].Phase == "published" })
	if got := path(s); got != "publish next, commit receipt" || s.Count != 0 {
		t.Errorf("%s, %d counted", got, s.Count)
	}
}

func TestOneStepAtATime(t *testing.T) {
	p := open(t, nil)
	p.until(running)
	p.post("/api/publish", map[string]any{"format": "post", "text": "Low tide", "stepwise": true})
	for steps := range 2 {
		s := p.until(func(s state) bool { return len(s.Takes) == 1 && s.Takes[0].Waiting && len(s.Takes[0].Steps) == steps })
		if s.Count != 0 {
			t.Error("published without being asked")
		}
		p.post("/api/step", map[string]int{"take": s.Takes[0].ID})
	}
	p.until(func(s state) bool { return s.Takes[0].Phase == "published" })
}

func TestKillAndRestart(t *testing.T) {
	p := open(t, nil)
	first := p.until(func(s state) bool { return running(s) && s.PID != 0 })
	p.post("/api/kill", nil)
	p.until(func(s state) bool { return strings.Contains(strings.Join(s.Logs, "\n"), "ended") })
	p.post("/api/restart", nil)
	p.until(func(s state) bool { return running(s) && s.PID != 0 && s.PID != first.PID })
}

func TestTheSourceIsFollowed(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	write := func(text string) {
		half := filepath.Join(dir, ".half") // a file that is half written is a change, too
		if err := errors.Join(os.WriteFile(half, []byte(text), 0o600), os.Rename(half, source)); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	var builds atomic.Int64
	p := open(t, func(o *playground.Options) {
		o.Watch = dir
		o.Build = func(context.Context) (string, error) {
			builds.Add(1)
			text, err := os.ReadFile(source)
			if strings.Contains(string(text), "mistake") {
				return "main.go:1: a mistake", errors.New("exit status 1")
			}
			return "", err
		}
	})
	p.until(running)
	write("a mistake")
	if s := p.until(func(s state) bool { return s.Status == "broken" }); s.Build != "main.go:1: a mistake" || s.PID == 0 {
		t.Errorf("build %q, process %d: what ran before runs on", s.Build, s.PID)
	}
	write("mended, and longer")
	p.until(func(s state) bool { return running(s) && s.Swaps >= 2 })
	if builds.Load() < 3 {
		t.Errorf("%d builds", builds.Load())
	}
}

func TestOthersAreKeptOut(t *testing.T) {
	h := playground.New(playground.Options{}).Handler("127.0.0.1:8782")
	for name, c := range map[string]struct {
		method, path, host, header string
		want                       int
	}{
		"the page":         {"GET", "/", "127.0.0.1:8782", "", 200},
		"its code":         {"GET", "/app.js", "127.0.0.1:8782", "", 200},
		"by name":          {"GET", "/", "localhost:8782", "", 200},
		"a rebound name":   {"GET", "/api/state", "evil.example", "", 421},
		"another's form":   {"POST", "/api/kill", "127.0.0.1:8782", "", 403},
		"the page's own":   {"POST", "/api/arm", "127.0.0.1:8782", "1", 200},
		"no such trouble":  {"POST", "/api/step", "127.0.0.1:8782", "1", 422},
		"nothing runs yet": {"POST", "/api/kill", "127.0.0.1:8782", "1", 422},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader("{}"))
		r.Host = c.host
		r.Header.Set("X-Playground", c.header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", name, policy)
		}
	}
}
