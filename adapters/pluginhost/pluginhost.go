// Package pluginhost runs plugins as child processes and hands them out as
// ports/social and ports/model.
//
// It decides which program runs, what it gets to see, how long it may take and
// when it is given up. A plugin is someone else's code holding everyone's
// tokens, so nothing it does is trusted: not its first line, not its exit, not
// its silence. go-plugin keeps the wire; starting, watching and ending the
// process is done here, because the stock client waits for a plugin that does
// not answer. A failure before a call was sent is a Transient fault even in a
// commit; a failure after that is an error without a fault, which
// social.FaultOf reads as Ambiguous in a commit. Start with Host.Platform and
// Host.Vendor, then
// call.go for the way of a call, entry.go for the versions of a plugin,
// supervisor.go for the states and restarts of one, and runner.go for the
// process.
package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/carillonhq/carillon/ports/social"
)

// Config is how a Host runs its plugins. Binary, Args, Dir and Log have to be
// set, the rest has defaults.
type Config struct {
	// Binary is the program of every plugin that names none of its own. Empty
	// means the running one.
	Binary string
	// Program, if set, is Binary opened by the caller: that file runs, whatever
	// is at its path later. The host closes it.
	Program *os.File
	// Digest is the hexadecimal SHA-256 that Binary must have; empty means any.
	Digest string
	// Args are the arguments that make Binary serve the plugin with that name,
	// such as "plugin", "serve", name.
	Args func(name string) []string
	// Dir holds the sockets. It is made with mode 0700; what a dead host left
	// there is swept. A path over 50 bytes is refused, because a socket's may
	// have no more than 107 in all.
	Dir string
	Log *slog.Logger
	// Env is given to every plugin, as "KEY=value". Nothing of the host's own
	// environment is.
	Env []string
	// Egress gives each plugin its way to the network, asked once a plugin. The
	// hosts of the manifest are open while the plugin is known, that of an
	// account for the time of a call about it. Nil: nothing is closed.
	Egress func(plugin string) Egress
	// Direct are the host:port pairs that are reached without the proxy, such
	// as the media gateway.
	Direct []string
	// Memory is the soft limit on each plugin's heap in bytes; 0 means 96 MiB.
	Memory   int64
	Timeouts Timeouts
	// Breakers spares a platform that is down calls that would fail. Off, every
	// call is made: a plugin under test meets more failures than a platform has.
	Breakers bool
	// Sandbox confines every plugin. It needs sandbox.Main in the program.
	Sandbox Sandbox
	// Observe, if set, hears of every call when it ends. It must not block.
	Observe func(Observation)
}

// Timeouts bound what a plugin may take. Zero means the default.
type Timeouts struct {
	Start   time.Duration // from fork to the manifest: 5 s
	Prepare time.Duration // a step that is no commit, with its uploads: 2 min
	Commit  time.Duration // a commit step: 45 s, over sdk.CommitTimeout
	Query   time.Duration // everything else: 30 s
	Paid    time.Duration // a commit step of an AI vendor, until its stream ends: 10 min
	Probe   time.Duration // an answer to "are you there?": 2 s
	Idle    time.Duration // silence after which a plugin is probed: 15 s
	Unused  time.Duration // without a call, after which its process is ended: 10 min
	Rest    time.Duration // of a plugin that keeps falling, doubled each time up to 30 min: 2 min
	Pinned  time.Duration // without a call, after which a replaced version is ended: 24 h
	Drain   time.Duration // calls in flight when the host closes: 10 s
}

// A Spec is one plugin to run.
type Spec struct {
	ID     string        // the manifest's; a plugin that says otherwise is refused. Empty: whatever it says, for those who want to know
	Name   string        // what Config.Args is asked with
	Binary string        // its own program; empty means Config.Binary. A name without a slash is looked up in PATH, as an interpreter's
	Args   []string      // arguments of its own program, such as a script's path in Dir
	Dir    string        // working directory of its own program; empty means an empty one
	Digest string        // hexadecimal SHA-256 that the program must have; empty means any
	Env    []string      // besides Config.Env
	Start  time.Duration // from fork to the manifest; 0 means Timeouts.Start. Interpreters take longer: 20 s
	Bundle string        // that it is of, for Host.Bundles; empty: none
	// Check is asked before each start, which fails with what it says, and may
	// put right what it finds wrong. Its time is not the start's. Nil: nothing is.
	Check func(context.Context) error
	// Accept is asked about what the plugin says of itself, with each start,
	// which fails with what it says; nil: everything is fine.
	Accept func(social.Manifest) error
}

// An Observation is one call that ended.
type Observation struct {
	Plugin  string // manifest id
	Method  string // "publish", "commit", "find" …
	Outcome string // "ok", a social.Kind, or "broken"
	Took    time.Duration
}

// Plugin is a running plugin as ports. Every ability is there; one that the
// manifest does not declare answers with an Unsupported fault.
type Plugin interface {
	social.Platform
	social.Finder
	social.Connector
	social.Lister
	social.Refresher
	social.Meter
}

// Host runs plugins. Its methods may be called from any goroutine.
type Host struct {
	cfg     Config
	sockets *socketDir
	fork    *forker
	tracer  trace.Tracer
	own     *executable     // what a spec without a program runs
	life    context.Context // ends when Close begins; starts under way end with it
	end     context.CancelFunc
	closing sync.Once

	mu      sync.RWMutex // never held while a process starts or ends
	plugins map[string]*entry
	order   []string
}

// New makes a host. No process is started before it is needed. It fails if the
// socket directory cannot be made private or two specs have the same ID.
func New(cfg Config, specs []Spec) (*Host, error) {
	cfg = withDefaults(cfg)
	sockets, err := openSocketDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	h := &Host{
		cfg: cfg, sockets: sockets, fork: newForker(), own: &executable{path: cfg.Binary, file: cfg.Program, must: cfg.Digest},
		tracer:  otel.Tracer("github.com/carillonhq/carillon/adapters/pluginhost"),
		plugins: map[string]*entry{},
	}
	h.life, h.end = context.WithCancel(context.Background())
	for _, spec := range specs {
		program, err := h.programFor(spec)
		if err == nil {
			e := newEntry(h, spec, program)
			if err = h.add(e); err != nil {
				err = errors.Join(err, e.close(context.Background()))
			}
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("plugin %s: %w", spec.ID, err), h.Close(context.Background()))
		}
	}
	return h, nil
}

// programFor is what spec runs. A program of its own is opened for each version
// anew, so that another file at the same path is another program.
func (h *Host) programFor(spec Spec) (*executable, error) {
	if spec.Binary == "" {
		return h.own, nil
	}
	path, err := programOf(h.cfg, spec)
	return &executable{path: path, byPath: isInterpreter(spec)}, err
}

// entry is the plugin with that id, or nil.
func (h *Host) entry(id string) *entry {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.plugins[id]
}

// all are the plugins in the order of their installation.
func (h *Host) all() []*entry {
	h.mu.RLock()
	defer h.mu.RUnlock()
	out := make([]*entry, len(h.order))
	for i, id := range h.order {
		out[i] = h.plugins[id]
	}
	return out
}

// DefaultTimeouts are those that hold where Config has none.
func DefaultTimeouts() Timeouts { return withDefaults(Config{}).Timeouts }

func withDefaults(cfg Config) Config {
	t := &cfg.Timeouts
	for at, d := range map[*time.Duration]time.Duration{
		&t.Start: 5 * time.Second, &t.Prepare: 2 * time.Minute, &t.Commit: 45 * time.Second, &t.Query: 30 * time.Second, &t.Paid: 10 * time.Minute,
		&t.Probe: 2 * time.Second, &t.Idle: 15 * time.Second, &t.Drain: 10 * time.Second,
		&t.Unused: 10 * time.Minute, &t.Rest: 2 * time.Minute, &t.Pinned: 24 * time.Hour,
	} {
		if *at == 0 {
			*at = d
		}
	}
	if cfg.Memory == 0 {
		cfg.Memory = 96 << 20
	}
	if cfg.Egress == nil {
		cfg.Egress = func(string) Egress { return open{} }
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Observation) {}
	}
	return cfg
}

// List returns the manifest of every platform that can be asked for it, in the
// order of their installation, starting those that never ran. The others are
// logged.
func (h *Host) List(ctx context.Context) []social.Manifest {
	return slices.DeleteFunc(h.manifests(ctx), func(m social.Manifest) bool { return !m.Social() })
}

// manifests are those of List and of Vendors.
func (h *Host) manifests(ctx context.Context) []social.Manifest {
	all := h.all()
	found := make([]*social.Manifest, len(all))
	var g errgroup.Group
	g.SetLimit(4)
	for i, e := range all {
		g.Go(func() error {
			m, err := e.describe(ctx)
			if err != nil {
				h.cfg.Log.WarnContext(ctx, "plugin not listed", "plugin", e.id, "error", err)
				return nil
			}
			found[i] = &m
			return nil
		})
	}
	_ = g.Wait() // no function returns an error
	var out []social.Manifest
	for _, m := range found {
		if m != nil {
			out = append(out, *m)
		}
	}
	return out
}

// Platform returns the plugin with that manifest id. It starts it only if its
// manifest is not known yet. Errors: NotFound; a Transient fault if it does
// not start.
func (h *Host) Platform(ctx context.Context, id string) (Plugin, error) {
	e, m, err := h.described(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case e == nil || !m.Social():
		return nil, unknown()
	}
	return &platform{e, m}, nil
}

// Close refuses new calls, lets those in flight finish for Timeouts.Drain or
// until ctx ends, and ends every process. A plugin that does not answer is
// killed at once.
func (h *Host) Close(ctx context.Context) error {
	var err error
	h.closing.Do(func() {
		h.end()
		ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeouts.Drain)
		defer cancel()
		all := h.all()
		errs := make([]error, len(all))
		var wg sync.WaitGroup
		for i, e := range all {
			wg.Go(func() { errs[i] = e.close(ctx) })
		}
		wg.Wait()
		h.fork.close()
		err = errors.Join(errors.Join(errs...), h.sockets.close(), h.own.close())
	})
	return err
}
