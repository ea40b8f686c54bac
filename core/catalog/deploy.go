package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// A Unit is one plugin as a process has to run it.
type Unit struct {
	ID     string
	Digest string // of its bundle; empty: it is builtin
}

// Host runs plugins in this process.
type Host interface {
	Install(ctx context.Context, u Unit) error
	// Upgrade puts u in place of the version that runs, which goes on running
	// if u does not start.
	Upgrade(ctx context.Context, u Unit) error
	Remove(ctx context.Context, id string) error
	// Running names the bundles that it runs or may start, those of versions
	// that were replaced and finish what they began included.
	Running() []string
}

// Deployer makes one process run what the catalog says. Its methods may be
// called from any goroutine.
type Deployer struct {
	store    System
	host     Host
	builtins []Builtin

	turn sync.Mutex // one Sync at a time

	mu      sync.Mutex
	runs    map[string]Unit // what the host was given
	used    map[string]bool // digests in use
	failing map[string]error
}

// NewDeployer returns a Deployer for a host that runs exactly the builtins.
func NewDeployer(store System, host Host, builtins []Builtin) *Deployer {
	d := &Deployer{store: store, host: host, builtins: builtins, runs: map[string]Unit{}}
	for _, b := range builtins {
		d.runs[b.Manifest.ID] = Unit{ID: b.Manifest.ID}
	}
	return d
}

// Sync reads the catalog and follows it. What fails is tried again with the
// next Sync, and the version before runs on meanwhile; the rest is not held up.
func (d *Deployer) Sync(ctx context.Context) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	lines, err := d.store.Instance(ctx)
	if err != nil {
		return err
	}
	want := d.wanted(lines)
	d.mu.Lock()
	have := maps.Clone(d.runs)
	d.mu.Unlock()

	failing := map[string]error{}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if err := d.follow(ctx, have, want[id]); err != nil {
			failing[id] = err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(have)) {
		if _, stays := want[id]; stays {
			continue
		}
		if err := d.host.Remove(ctx, id); err != nil {
			failing[id] = err
			continue
		}
		d.ran(Unit{ID: id}, false)
	}
	d.mu.Lock()
	d.failing = failing
	d.mu.Unlock()
	return joined(failing)
}

// wanted is what this process has to run, and takes note of what is in use.
func (d *Deployer) wanted(lines []Line) map[string]Unit {
	want, used := map[string]Unit{}, map[string]bool{}
	for _, b := range d.builtins {
		want[b.Manifest.ID] = Unit{ID: b.Manifest.ID}
	}
	for _, l := range lines {
		_, builtin := want[l.Plugin.ID]
		for _, digest := range []string{l.Plugin.Active, l.Plugin.Pending, l.Plugin.Previous} {
			used[digest] = true
		}
		switch {
		case !l.Plugin.Runs():
			delete(want, l.Plugin.ID)
		case !builtin && l.Active != nil:
			want[l.Plugin.ID] = Unit{ID: l.Plugin.ID, Digest: l.Active.Digest}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used = used
	return want
}

func (d *Deployer) follow(ctx context.Context, have map[string]Unit, u Unit) error {
	now, runs := have[u.ID]
	switch {
	case runs && now == u:
		return nil
	case runs:
		if err := d.host.Upgrade(ctx, u); err != nil {
			return err
		}
	default:
		if err := d.host.Install(ctx, u); err != nil {
			return err
		}
	}
	d.ran(u, true)
	return nil
}

func (d *Deployer) ran(u Unit, on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if on {
		d.runs[u.ID] = u
	} else {
		delete(d.runs, u.ID)
	}
}

func joined(failing map[string]error) error {
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(failing)) {
		errs = append(errs, fmt.Errorf("plugin %s: %w", id, failing[id]))
	}
	return errors.Join(errs...)
}

// Failing is why plugins do not run in this process, by id.
func (d *Deployer) Failing() map[string]error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.failing)
}

// InUse names the bundles that the catalog refers to, as of the last Sync, and
// those that the host runs whatever the catalog says by now.
func (d *Deployer) InUse() map[string]bool {
	running := d.host.Running()
	d.mu.Lock()
	defer d.mu.Unlock()
	used := map[string]bool{}
	maps.Copy(used, d.used)
	for _, digest := range running {
		used[digest] = true
	}
	return used
}
