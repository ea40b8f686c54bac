// Package rehearsal runs a plugin for its author: the real plugin host, a fake
// of the platform, and a proxy between the two that records every request and
// spoils the one it is told to.
//
// It decides how a plugin meets a fake without a switch for tests: every
// request of a plugin passes the host's proxy anyway, so the proxy answers the
// hosts of the manifest with the fake, TLS included. What the fake holds in
// the end is asked from the fake, never from the plugin. Start with Open; a
// Session is the plugin under the real host, a Raw one the process alone, whose
// output nobody has redacted.
package rehearsal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// ErrPlugin is behind an error that is the plugin's own fault.
var ErrPlugin = errors.New("the plugin is broken")

// A Program is how the plugin is run, as pluginhost.Spec has it. Binary empty
// is this program.
type Program struct {
	Name   string
	Binary string
	Args   []string
	Dir    string
	// Slow is set for interpreters, which take longer to start.
	Slow bool
}

// Options are a plugin and what it needs to be run.
type Options struct {
	Program Program
	// Self are the arguments that make this program serve the plugin with that
	// name; asked only if Program has no Binary.
	Self     func(name string) []string
	Settings Settings
	// Upstream is a fake that runs already. Nil starts the one that Settings
	// name, if they name one.
	Upstream Upstream
	// Files is where the media of Settings.Cases lie.
	Files string
	// Output hears each line that the plugin under the host says, redacted.
	Output func(line string)
}

// Stage is a plugin's surroundings: the fake, the proxy and the media gateway.
// Its methods may be called from any goroutine.
type Stage struct {
	Proxy    *Proxy
	Gateway  *Gateway
	Settings Settings
	Manifest social.Manifest

	claims
	opt      Options
	upstream Upstream
	dir      string
	closers  []func()
}

// Open starts the surroundings and asks the plugin for its manifest.
func Open(ctx context.Context, opt Options) (*Stage, error) {
	s := &Stage{opt: opt, Settings: opt.Settings, upstream: opt.Upstream}
	if err := s.begin(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Stage) begin(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "crl"); err != nil {
		return err
	}
	s.later(func() { _ = os.RemoveAll(s.dir) })
	if up := s.opt.Settings.Upstream; s.upstream == nil && len(up.Command) > 0 {
		fake, err := startFake(ctx, cmp.Or(s.opt.Files, s.opt.Program.Dir), up)
		if err != nil {
			return fmt.Errorf("the fake of the platform, test.upstream.command in carillon.yaml: %w", err)
		}
		s.upstream = fake
		s.later(fake.Close)
	}
	if s.Proxy, err = newProxy(s.dir, s.upstream); err != nil {
		return err
	}
	s.later(s.Proxy.Close)
	if s.Gateway, err = newGateway(); err != nil {
		return err
	}
	s.later(s.Gateway.Close)
	return s.learn(ctx)
}

// learn asks a process of its own for the manifest, and opens its hosts.
func (s *Stage) learn(ctx context.Context) error {
	raw, err := s.Spawn(ctx)
	if err != nil {
		return because{err}
	}
	defer raw.Kill()
	if s.Manifest, err = raw.Describe(ctx); err != nil {
		return because{errors.Join(fmt.Errorf("it does not describe itself: %w", err), raw.Complaint())}
	}
	s.Proxy.Allow(s.Manifest.Egress...)
	return nil
}

// because is an error that is ErrPlugin, too.
type because struct{ error }

func (because) Is(target error) bool { return target == ErrPlugin }

func (b because) Unwrap() error { return b.error }

func (s *Stage) later(f func()) { s.closers = append(s.closers, f) }

// Close ends everything that Open began.
func (s *Stage) Close() {
	for _, f := range slices.Backward(s.closers) {
		f()
	}
	s.closers = nil
}

// Fake reports whether there is a platform to talk to.
func (s *Stage) Fake() bool { return s.upstream != nil }

// Counts reports whether the fake tells what it holds.
func (s *Stage) Counts() bool { return s.upstream != nil && s.upstream.Counts() }

// Objects is what is live at the fake.
func (s *Stage) Objects(ctx context.Context) ([]Object, error) {
	if s.upstream == nil {
		return nil, errors.New("there is no fake platform")
	}
	return s.upstream.Objects(ctx)
}

// Account is the account with that number, with the fake's address filled in.
func (s *Stage) Account(n int) (social.Account, social.Call, bool) {
	if n >= len(s.Settings.Accounts) {
		return social.Account{}, social.Call{}, false
	}
	a := s.Settings.Accounts[n]
	account := social.Account{ID: a.ID, Handle: a.Handle, Public: s.fill(a.Public)}
	call := social.Call{
		Tenant: fmt.Sprintf("tenant-%c", 'a'+n), App: s.fill(a.App), Locale: "en",
		Credential: social.Credential{
			AccessToken: s.Fill(a.Credential.AccessToken), Secrets: s.fill(a.Credential.Secrets),
			Public: s.fill(a.Credential.Public), Scopes: a.Credential.Scopes,
		},
	}
	for _, public := range []map[string]string{account.Public, call.Credential.Public} {
		asInProduction(public)
	}
	s.Proxy.Allow(call.Credential.Public["instance"])
	return account, call, true
}

// Input is what a person enters in the sign-in's screen with that number.
func (s *Stage) Input(screen int) (map[string]string, bool) {
	if screen >= len(s.Settings.Connect) {
		return nil, false
	}
	in := s.fill(s.Settings.Connect[screen])
	asInProduction(in)
	s.Proxy.Allow(in["instance"])
	return in, true
}

// asInProduction writes an account's own server as the product does: a host.
func asInProduction(values map[string]string) {
	if at := values["instance"]; at != "" {
		values["instance"] = sdk.InstanceHost(at)
	}
}

// fill puts the fake's address where the settings name it.
func (s *Stage) fill(in map[string]string) map[string]string {
	if in == nil {
		return nil
	}
	out := make(map[string]string, len(in))
	for k, v := range in {
		out[k] = s.Fill(v)
	}
	return out
}

// Fill replaces {upstream} by the fake's address, {host} by its host and port,
// and {env:NAME} by a variable of the author's environment.
func (s *Stage) Fill(text string) string {
	return strings.NewReplacer("{upstream}", s.Proxy.URL(), "{host}", s.Proxy.host()).Replace(Revealed(text))
}

// environ is what the plugin gets besides what every plugin gets.
func (s *Stage) environ() []string {
	ca := filepath.Join(s.dir, caDir, caFile)
	env := []string{"SSL_CERT_FILE=" + ca, "NODE_EXTRA_CA_CERTS=" + ca, "REQUESTS_CA_BUNDLE=" + ca}
	for k, v := range s.Settings.Env {
		env = append(env, k+"="+s.Fill(v))
	}
	slices.Sort(env[3:])
	return env
}

// patience is how long the plugin may take to start.
func (s *Stage) patience() time.Duration {
	if s.opt.Program.Slow {
		return time.Minute
	}
	return 30 * time.Second
}
