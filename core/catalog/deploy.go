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
	slots    chan struct{} // changes at a time

	reading sync.Mutex // one reads the catalog at a time, so that no older word replaces a newer one

	mu      sync.Mutex
	round   int             // of Sync, the last one begun
	want    map[string]Unit // as of then
	runs    map[string]Unit // what the host was given
	used    map[string]bool // digests in use; nil: not known yet
	failing map[string]failure
	turns   map[string]chan struct{} // one change of a plugin at a time
}

// failure is why a plugin does not run as it should.
type failure struct {
	err   error
	unit  Unit // that it was to be
	round int  // the last one that had begun when it failed: for those it was tried
}

// maxChanges is how many plugins are started, replaced and removed at a time.
const maxChanges = 8

// NewDeployer returns a Deployer for a host that runs exactly the builtins.
func NewDeployer(store System, host Host, builtins []Builtin) *Deployer {
	d := &Deployer{
		store: store, host: host, builtins: builtins, slots: make(chan struct{}, maxChanges),
		runs: map[string]Unit{}, failing: map[string]failure{}, turns: map[string]chan struct{}{},
	}
	for _, b := range builtins {
		d.runs[b.Manifest.ID] = Unit{ID: b.Manifest.ID}
	}
	return d
}

// Sync reads the catalog and follows it. What fails is tried again with the
// next Sync, and the version before runs on meanwhile. Nothing waits for a plugin
// that takes its time but this Sync: another may begin, and follows the rest.
func (d *Deployer) Sync(ctx context.Context) error {
	round, all, err := d.read(ctx)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, id := range all {
		wg.Go(func() { d.settle(ctx, id, round) })
	}
	wg.Wait()
	return joined(d.Failing())
}

// read takes note of what the catalog says and names every plugin that it is or
// was about.
func (d *Deployer) read(ctx context.Context) (round int, all []string, err error) {
	d.reading.Lock()
	defer d.reading.Unlock()
	lines, err := d.store.Instance(ctx)
	if err != nil {
		return 0, nil, err
	}
	want, used := d.wanted(lines)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.round++
	d.want, d.used = want, used
	about := map[string]bool{}
	for _, m := range []map[string]Unit{d.want, d.runs} {
		for id := range m {
			about[id] = true
		}
	}
	for id := range d.failing {
		if !about[id] {
			delete(d.failing, id)
		}
	}
	return d.round, slices.Sorted(maps.Keys(about)), nil
}

// settle makes one plugin what is wanted of it by now, once its turn has come.
func (d *Deployer) settle(ctx context.Context, id string, round int) {
	turn := d.turn(id)
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return
	}
	if _, _, due := d.due(id, round); !due {
		return
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return
	}
	change, u, due := d.due(id, round)
	if !due {
		return
	}
	err := change(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err != nil:
		d.failing[id] = failure{err, u, d.round}
		return
	case u == (Unit{}):
		delete(d.runs, id)
	default:
		d.runs[id] = u
	}
	delete(d.failing, id)
}

func (d *Deployer) turn(id string) chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.turns[id] == nil {
		d.turns[id] = make(chan struct{}, 1)
	}
	return d.turns[id]
}

// due is the change that makes a plugin what is wanted: the unit that it is to
// be, none for one that is to go. What failed since the round began is not tried
// again in it.
func (d *Deployer) due(id string, round int) (change func(context.Context) error, u Unit, due bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, wanted := d.want[id]
	now, runs := d.runs[id]
	if f, failed := d.failing[id]; failed && f.unit == u && f.round >= round {
		return nil, u, false
	}
	switch {
	case wanted == runs && now == u:
		delete(d.failing, id)
		return nil, u, false
	case !wanted:
		return func(ctx context.Context) error { return d.host.Remove(ctx, id) }, u, true
	case runs:
		return func(ctx context.Context) error { return d.host.Upgrade(ctx, u) }, u, true
	}
	return func(ctx context.Context) error { return d.host.Install(ctx, u) }, u, true
}

// wanted is what this process has to run, and the bundles that are in use.
func (d *Deployer) wanted(lines []Line) (want map[string]Unit, used map[string]bool) {
	want, used = map[string]Unit{}, map[string]bool{}
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
	return want, used
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
	out := map[string]error{}
	for id, f := range d.failing {
		out[id] = f.err
	}
	return out
}

// InUse names the bundles that the catalog refers to, as of the last Sync, and
// those that the host runs whatever the catalog says by now. nil: the catalog was
// not read yet, so that any may be.
func (d *Deployer) InUse() map[string]bool {
	running := d.host.Running()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.used == nil {
		return nil
	}
	used := maps.Clone(d.used)
	for _, digest := range running {
		used[digest] = true
	}
	return used
}
