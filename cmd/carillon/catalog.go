package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/adapters/bundle"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/cmd/internal/firstparty"
	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
)

// builtins asks the plugins that cfg enables what they are, without starting them.
func builtins(cfg config) ([]catalog.Builtin, error) {
	var out []catalog.Builtin
	for _, s := range specs(cfg) {
		p, err := firstparty.Open(s.Name, settingsOf(s))
		if err != nil {
			return nil, fmt.Errorf("plugin %s: %w", s.Name, err)
		}
		m, err := sdk.Describe(p)
		if err != nil {
			return nil, fmt.Errorf("plugin %s: %w", s.Name, err)
		}
		out = append(out, catalog.Builtin{Manifest: m})
	}
	return out, nil
}

// settingsOf reads a spec's own environment, which is all that its plugin gets.
func settingsOf(s pluginhost.Spec) func(string) string {
	return func(name string) string {
		for _, pair := range s.Env {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value
			}
		}
		return ""
	}
}

// bundles is catalog.Bundles over a bundle.Store. Its blobs belong to the
// operator, who may not be there yet when a process starts; from then on it is
// one store, which remembers what it has read.
type bundles struct {
	state string
	blobs storage.Blobs
	root  func(context.Context) (tenants.ID, error)

	mu   sync.Mutex
	kept *bundle.Store
}

func (b *bundles) store(ctx context.Context) (*bundle.Store, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept != nil {
		return b.kept, nil
	}
	root, err := b.root(ctx)
	if fault.Is(err, fault.NotFound) {
		err = fault.New(fault.Conflict, "plugin.no_operator", "This installation has no operator yet.")
	}
	if err != nil {
		return nil, err
	}
	b.kept, err = bundle.OpenStore(b.state, b.blobs, string(root))
	return b.kept, err
}

// Add implements catalog.Bundles.
func (b *bundles) Add(ctx context.Context, r io.Reader) (out catalog.Bundle, err error) {
	s, err := b.store(ctx)
	if err != nil {
		return out, err
	}
	_, err = s.Add(ctx, r, func(c bundle.Contents) error {
		out, err = read(c)
		return err
	})
	return out, err
}

// read is what the catalog wants to know of a bundle. It fails if the bundle is
// not signed by who it says, or its manifest is not one to rely on.
func read(c bundle.Contents) (catalog.Bundle, error) {
	m, err := manifestOf(c.Lock)
	if err != nil {
		return catalog.Bundle{}, err
	}
	out := catalog.Bundle{Digest: c.Digest, Platform: c.Lock.Platform, Command: c.Lock.Command, Manifest: m}
	if c.Signature == nil {
		return out, nil
	}
	if err := c.Signature.Check(c.Digest); err != nil {
		return out, err
	}
	out.Signer = catalog.Signer{Key: c.Signature.Key, Public: c.Signature.Public}
	return out, nil
}

func manifestOf(l bundle.Lock) (social.Manifest, error) {
	m, err := wire.ParseManifestJSON(l.Manifest)
	if err != nil {
		return m, fault.New(fault.Invalid, "bundle.malformed", "This is no sound bundle: its manifest cannot be read.").Because(err)
	}
	if m.ID != l.ID || m.Version != l.Version {
		return m, fault.New(fault.Invalid, "bundle.malformed", "This is no sound bundle: it is %s %s, and its manifest is of %s %s.", l.ID, l.Version, m.ID, m.Version)
	}
	return m, sdk.CheckManifest(m)
}

// Runs implements catalog.Bundles.
func (b *bundles) Runs(x catalog.Bundle) error { return bundle.Lock{Platform: x.Platform}.Runs() }

// Forget implements catalog.Bundles.
func (b *bundles) Forget(ctx context.Context, digest string) error {
	s, err := b.store(ctx)
	if err != nil {
		return err
	}
	return s.Forget(ctx, digest)
}

// spec says how a bundle is run on this machine, once all of it is here.
func (b *bundles) spec(ctx context.Context, u catalog.Unit) (pluginhost.Spec, error) {
	s, err := b.store(ctx)
	if err != nil {
		return pluginhost.Spec{}, err
	}
	dir, lock, err := s.Dir(ctx, u.Digest)
	if err != nil {
		return pluginhost.Spec{}, err
	}
	if err := lock.Runs(); err != nil {
		return pluginhost.Spec{}, err
	}
	run := lock.Spec(dir)
	out := pluginhost.Spec{
		ID: u.ID, Name: cmp.Or(run.Name, u.ID), Binary: run.Binary, Args: run.Args, Dir: run.Dir, Digest: lock.Program(),
		Bundle: u.Digest, Check: func(ctx context.Context) error { return mend(ctx, s, u.Digest) },
		Accept: func(m social.Manifest) error { return packedAs(lock, m) },
	}
	if run.Interpreter {
		// What it would write beside its sources is not of the bundle.
		out.Start, out.Env = 20*time.Second, []string{"PYTHONDONTWRITEBYTECODE=1"}
	}
	return out, nil
}

// mendTime is how long getting a bundle again may take.
const mendTime = 2 * time.Minute

// mend sees to it that a bundle is there and sound: its folder may have been
// damaged since the plugin was last started.
func mend(ctx context.Context, s *bundle.Store, digest string) error {
	ctx, cancel := context.WithTimeout(ctx, mendTime)
	defer cancel()
	_, _, err := s.Dir(ctx, digest)
	return err
}

// packedAs holds a plugin to what it was packed, looked at and approved as.
func packedAs(l bundle.Lock, m social.Manifest) error {
	was, err := wire.ParseManifestJSON(l.Manifest)
	if err != nil {
		return err
	}
	before, err := wire.ManifestJSON(was)
	if err != nil {
		return err
	}
	now, err := wire.ManifestJSON(m)
	if err == nil && !bytes.Equal(before, now) {
		err = errors.New("the plugin says something else of itself than when it was packed")
	}
	return err
}

// machine is this process's plugin host, as the catalog has it.
type machine struct {
	host    *pluginhost.Host
	bundles *bundles
	own     []pluginhost.Spec
}

func (m machine) spec(ctx context.Context, u catalog.Unit) (pluginhost.Spec, error) {
	for _, s := range m.own {
		if s.ID == u.ID {
			return s, nil
		}
	}
	return m.bundles.spec(ctx, u)
}

// Install implements catalog.Host.
func (m machine) Install(ctx context.Context, u catalog.Unit) error {
	s, err := m.spec(ctx, u)
	if err != nil {
		return err
	}
	return m.host.Install(ctx, s)
}

// Upgrade implements catalog.Host.
func (m machine) Upgrade(ctx context.Context, u catalog.Unit) error {
	s, err := m.spec(ctx, u)
	if err != nil {
		return err
	}
	return m.host.Upgrade(ctx, s)
}

// Remove implements catalog.Host. What is gone already is gone.
func (m machine) Remove(ctx context.Context, id string) error {
	err := m.host.Remove(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// Running implements catalog.Host.
func (m machine) Running() []string { return m.host.Bundles() }

// health is how the plugins of this process are doing.
func health(host *pluginhost.Host, failing map[string]error) map[string]catalog.Health {
	out := map[string]catalog.Health{}
	for _, s := range host.Status() {
		h := catalog.Health{State: string(s.State), Version: s.Version, Error: s.LastError}
		if s.PID != 0 {
			h.Sandbox = s.Sandbox.Name()
		}
		out[s.ID] = h
	}
	for id, err := range failing {
		h := out[id]
		h.State, h.Error = cmp.Or(h.State, "failed"), err.Error()
		out[id] = h
	}
	return out
}

// apps keeps what an operator sets for a plugin where channels look for it.
type apps struct{ channels *channels.Service }

const clientID = "client_id"

// App implements catalog.Apps.
func (a apps) App(ctx context.Context, who tenants.Scope, plugin string) (map[string]string, []string, error) {
	app, err := a.channels.GetApp(ctx, who, plugin, "")
	if fault.Is(err, fault.NotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	plain := map[string]string{}
	for name, value := range app.Settings {
		plain[name] = value
	}
	if app.ClientID != "" {
		plain[clientID] = app.ClientID
	}
	return plain, app.Secrets, nil
}

// SetApp implements catalog.Apps.
func (a apps) SetApp(ctx context.Context, who tenants.Scope, plugin string, plain, secrets map[string]string) error {
	id := plain[clientID]
	delete(plain, clientID)
	return a.channels.SetApp(ctx, who, channels.AppSettings{Platform: plugin, ClientID: id, Settings: plain, Secrets: secrets})
}
