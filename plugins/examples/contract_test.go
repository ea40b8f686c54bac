package examples_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

// TestMain lets the test binary be the shim that confines a plugin.
func TestMain(m *testing.M) {
	sandbox.Main()
	dir, err := os.MkdirTemp("", "chirp")
	if err != nil {
		panic(err)
	}
	programs = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// programs is where what is compiled lies.
var programs string

var tokens = map[string]string{"ann": "token-of-ann", "bob": "token-of-bob"}

func TestContractInGo(t *testing.T)         { hold(t, inGo) }
func TestContractInTypeScript(t *testing.T) { hold(t, inTypeScript) }
func TestContractInPython(t *testing.T)     { hold(t, inPython) }

func inGo(t *testing.T) pluginhost.Spec {
	t.Helper()
	bin := made(t, compiled)
	return pluginhost.Spec{ID: "example.chirp-go", Name: "go-chirp", Binary: filepath.Join(bin, "go-chirp")}
}

func inTypeScript(t *testing.T) pluginhost.Spec {
	t.Helper()
	return built(t, "ts-chirp", pluginhost.Spec{ID: "example.chirp-ts", Binary: "node", Args: []string{"dist/main.mjs"}})
}

func inPython(t *testing.T) pluginhost.Spec {
	t.Helper()
	return built(t, "py-chirp", pluginhost.Spec{ID: "example.chirp-py", Binary: "python3", Args: []string{"dist"}})
}

// compiled is the folder with what is written in Go.
var compiled = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "build", "-ldflags=-s", "-o", programs+"/", "./go-chirp", "./chirpfake/cmd/chirpfake").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return programs, err
})

// interpreters puts the right ones first in the PATH, for all of this process,
// once the examples that they run are built with the SDKs of this tree.
var interpreters = sync.OnceValues(func() (string, error) {
	if _, err := tool("build"); err != nil {
		return "", err
	}
	path, err := tool("path")
	if err != nil {
		return "", err
	}
	return path, os.Setenv("PATH", strings.TrimSpace(path))
})

func made(t *testing.T, once func() (string, error)) string {
	t.Helper()
	what, err := once()
	if err != nil {
		t.Fatal(err)
	}
	return what
}

// built is a plugin of an interpreter.
func built(t *testing.T, folder string, spec pluginhost.Spec) pluginhost.Spec {
	t.Helper()
	made(t, interpreters)
	dir, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	spec.Name, spec.Dir, spec.Start = folder, dir, 20*time.Second
	return spec
}

// tool runs tools/sdks.sh, which builds once per change.
func tool(verb string) (string, error) {
	out, err := exec.Command("../../tools/sdks.sh", verb).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("tools/sdks.sh %s: %w\n%s", verb, err, append(exit.Stderr, out...))
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

func hold(t *testing.T, spec func(*testing.T) pluginhost.Spec) {
	t.Helper()
	t.Parallel()
	p := start(t, spec(t))
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
