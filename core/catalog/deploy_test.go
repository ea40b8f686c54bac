package catalog_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/carillonhq/carillon/core/catalog"
)

// machine is a host that says what it was told, and fails as told.
type machine struct {
	mu    sync.Mutex
	did   []string
	fails map[string]error
	runs  []string
}

func (m *machine) do(verb string, u catalog.Unit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails[verb]; err != nil {
		return err
	}
	m.did = append(m.did, verb+" "+u.ID+" "+u.Digest)
	return nil
}

func (m *machine) Running() []string                               { return m.runs }
func (m *machine) Install(_ context.Context, u catalog.Unit) error { return m.do("install", u) }
func (m *machine) Upgrade(_ context.Context, u catalog.Unit) error { return m.do("upgrade", u) }
func (m *machine) Remove(_ context.Context, id string) error {
	return m.do("remove", catalog.Unit{ID: id})
}

func TestDeploy(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	m := &machine{fails: map[string]error{}}
	d := catalog.NewDeployer(w.store, m, w.Builtins)
	sync := func(want ...string) {
		t.Helper()
		m.did = nil
		must(t, d.Sync(t.Context()))
		if slices.Sort(m.did); !slices.Equal(m.did, want) {
			t.Errorf("did %q, want %q", m.did, want)
		}
	}
	sync()
	one, two := bundle(plugin, "1.0.0", signer('a')), bundle(plugin, "2.0.0", signer('a'))
	w.add(t, one)
	sync("install " + plugin + " " + one.Digest)
	sync()
	w.add(t, two)
	sync("upgrade " + plugin + " " + two.Digest)
	must(t, one2(w.Rollback(t.Context(), w.boss, plugin, "")))
	sync("upgrade " + plugin + " " + one.Digest)
	must(t, one2(w.Disable(t.Context(), w.boss, builtinID)))
	must(t, one2(w.Disable(t.Context(), w.boss, plugin)))
	sync("remove "+builtinID+" ", "remove "+plugin+" ")
	must(t, one2(w.Enable(t.Context(), w.boss, builtinID)))
	sync("install " + builtinID + " ")
	m.runs = []string{"of long ago"} // kept by the host for what it began
	if !d.InUse()["of long ago"] {
		t.Errorf("in use: %v", d.InUse())
	}
	if !d.InUse()[one.Digest] || !d.InUse()[two.Digest] {
		t.Errorf("in use: %v", d.InUse())
	}
}

func one2(_ catalog.Entry, err error) error { return err }

// What does not start is tried again; the rest is not held up, and what ran
// before runs on.
func TestDeployGoesOn(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	m := &machine{fails: map[string]error{}}
	d := catalog.NewDeployer(w.store, m, w.Builtins)
	w.add(t, bundle(plugin, "1.0.0", signer('a')))
	must(t, d.Sync(t.Context()))
	two := bundle(plugin, "2.0.0", signer('a'))
	w.add(t, two)
	other := bundle("org.example.zebra", "1.0.0", signer('a'))
	w.add(t, other)
	m.did, m.fails["upgrade"] = nil, errors.New("it does not start")
	if err := d.Sync(t.Context()); err == nil || !strings.Contains(err.Error(), "it does not start") {
		t.Error(err)
	}
	if !slices.Equal(m.did, []string{"install org.example.zebra " + other.Digest}) || d.Failing()[plugin] == nil {
		t.Errorf("did %q, failing %v", m.did, d.Failing())
	}
	m.did, m.fails = nil, nil
	must(t, d.Sync(t.Context()))
	if !slices.Equal(m.did, []string{"upgrade " + plugin + " " + two.Digest}) || len(d.Failing()) != 0 {
		t.Errorf("did %q, failing %v", m.did, d.Failing())
	}
}
