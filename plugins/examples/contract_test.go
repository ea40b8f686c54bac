package examples_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/plugins/examples/chirpfake"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

// TestMain lets the test binary be the shim that confines a plugin.
func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

var tokens = map[string]string{"ann": "token-of-ann", "bob": "token-of-bob"}

func TestContractInGo(t *testing.T)         { hold(t, inGo(t)) }
func TestContractInTypeScript(t *testing.T) { hold(t, inTypeScript(t)) }
func TestContractInPython(t *testing.T)     { hold(t, inPython(t)) }

func inGo(t *testing.T) pluginhost.Spec {
	t.Helper()
	return pluginhost.Spec{ID: "example.chirp-go", Name: "go-chirp", Binary: compiled(t, "./go-chirp")}
}

// chirpCommand is the platform as a program.
func chirpCommand(t *testing.T) string {
	t.Helper()
	return compiled(t, "./chirpfake/cmd/chirpfake")
}

func compiled(t *testing.T, pkg string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", bin, pkg).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

func inTypeScript(t *testing.T) pluginhost.Spec {
	t.Helper()
	return built(t, "ts-chirp", pluginhost.Spec{ID: "example.chirp-ts", Binary: "node", Args: []string{"dist/main.mjs"}})
}

func inPython(t *testing.T) pluginhost.Spec {
	t.Helper()
	return built(t, "py-chirp", pluginhost.Spec{ID: "example.chirp-py", Binary: "python3", Args: []string{"dist"}})
}

// built is a plugin of an interpreter, built with the SDKs of this tree.
func built(t *testing.T, folder string, spec pluginhost.Spec) pluginhost.Spec {
	t.Helper()
	if _, err := tool("build"); err != nil {
		t.Fatal(err)
	}
	path, err := tool("path")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", strings.TrimSpace(path))
	dir, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	spec.Name, spec.Dir, spec.Start = folder, dir, 20*time.Second
	return spec
}

// tool runs tools/sdks.sh, which builds once per change.
func tool(verb string) (string, error) {
	cmd := exec.Command("../../tools/sdks.sh", verb)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("tools/sdks.sh %s: %w\n%s", verb, err, append(exit.Stderr, out...))
	}
	return string(out), err
}

// abilities are what the plugin has. The host's handle has them all and
// answers Unsupported.
type abilities struct {
	social.Platform
	social.Finder
	social.Connector
	social.Lister
	social.Meter
}

func hold(t *testing.T, spec pluginhost.Spec) {
	t.Helper()
	p := start(t, spec)
	socialtest.Run(t, func(t *testing.T) socialtest.Harness {
		h := chirp(t)
		h.Platform = abilities{p, p, p, p, p}
		return h
	})
	t.Run("signs in by form", func(t *testing.T) { signsIn(t, p, chirp(t).Call) })
}

func signsIn(t *testing.T, p pluginhost.Plugin, call social.Call) {
	instance := call.Credential.Public["instance"]
	step, err := p.Connect(t.Context(), social.ConnectRequest{})
	if err != nil || len(step.Form) == 0 {
		t.Fatalf("no form: %+v, %v", step, err)
	}
	step, err = p.Connect(t.Context(), social.ConnectRequest{Input: map[string]string{"instance": instance, "token": call.Credential.AccessToken}})
	if err != nil || step.Done == nil || step.Done.AccessToken != call.Credential.AccessToken || step.Done.Public["instance"] != instance {
		t.Errorf("not signed in: %+v, %v", step, err)
	}
	_, err = p.Connect(t.Context(), social.ConnectRequest{Input: map[string]string{"instance": instance, "token": "somebody-else's"}})
	if f := social.FaultOf(err, false); err == nil || f.Kind != social.AuthExpired {
		t.Errorf("signed in with a bad token: %v", err)
	}
}

// start runs the plugin in a process of its own.
func start(t *testing.T, spec pluginhost.Spec) pluginhost.Plugin {
	t.Helper()
	p, err := hostOf(t, spec).Platform(t.Context(), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func hostOf(t *testing.T, spec pluginhost.Spec) *pluginhost.Host {
	t.Helper()
	dir, err := os.MkdirTemp("", "plug")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	said := &logs{}
	host, err := pluginhost.New(pluginhost.Config{Dir: filepath.Join(dir, "s"), Log: slog.New(slog.NewTextHandler(said, nil))}, []pluginhost.Spec{spec})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = host.Close(context.WithoutCancel(t.Context()))
		if t.Failed() {
			t.Logf("the host's log:\n%s", said)
		}
		for _, token := range tokens {
			if strings.Contains(said.String(), token) {
				t.Error("a token is in the host's log")
			}
		}
	})
	return host
}

type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// chirp is a fresh platform with its one account.
func chirp(t *testing.T) socialtest.Harness {
	t.Helper()
	now := &clock{now: time.Now()}
	users := map[string]string{}
	for user, token := range tokens {
		users[token] = user
	}
	fake := &server{Server: chirpfake.New(users, chirpfake.Options{Now: now.Now, Lag: 2 * time.Second})}
	web := httptest.NewServer(fake)
	t.Cleanup(web.Close)
	return socialtest.Harness{
		Server: fake, Account: social.Account{ID: "u-ann", Handle: "ann"},
		Call:  social.Call{Credential: social.Credential{AccessToken: tokens["ann"], Public: map[string]string{"instance": web.URL}}},
		Image: picture(t), TooLong: strings.Repeat("é", chirpfake.MaxText+1), Wait: now.advance, Deadline: time.Second,
	}
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// harness is what the tests of this package share with the contract.
type harness = socialtest.Harness

// server is Chirp with a back door and a gate.
type server struct {
	*chirpfake.Server
	gate *gate
}

// A gate holds the next request until it is opened, or the caller has left.
type gate struct{ reached, open, left chan struct{} }

func (s *server) slow() *gate {
	s.gate = &gate{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	return s.gate
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g := s.gate; g != nil {
		body, _ := io.ReadAll(r.Body) // only then is it seen that the caller leaves
		r.Body = io.NopCloser(bytes.NewReader(body))
		close(g.reached)
		select {
		case <-g.open:
		case <-r.Context().Done():
			close(g.left)
		}
	}
	s.Server.ServeHTTP(w, r)
}

// Trouble implements socialtest.Server.
func (s *server) Trouble(t socialtest.Trouble) { s.Server.Trouble(string(t)) }

// Objects implements socialtest.Server.
func (s *server) Objects() []socialtest.Object {
	var list []socialtest.Object
	for _, p := range s.Posts() {
		o := socialtest.Object{ID: p.ID, ReplyTo: p.ReplyTo, Text: p.Text}
		for _, id := range p.Media {
			o.Alts = append(o.Alts, s.Alt(id))
		}
		list = append(list, o)
	}
	return list
}

// picture is an attachment served as the host's gateway does.
func picture(t *testing.T) social.Media {
	t.Helper()
	var raw bytes.Buffer
	if err := png.Encode(&raw, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "boats.png", time.Time{}, bytes.NewReader(raw.Bytes()))
	}))
	t.Cleanup(gateway.Close)
	return social.Media{
		ID: "med_1", Kind: social.Image, MIME: "image/png", Bytes: int64(raw.Len()), Width: 40, Height: 30,
		Alt: "Boats & nets", URL: gateway.URL + "/boats.png",
	}
}
