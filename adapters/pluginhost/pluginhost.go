// Package pluginhost runs plugins as child processes and hands them out as
// ports/social.
//
// It decides which program runs, what it gets to see, how long it may take and
// when it is given up. A plugin is someone else's code holding everyone's
// tokens, so nothing it does is trusted: not its first line, not its exit, not
// its silence. go-plugin keeps the wire; starting, watching and ending the
// process is done here, because the stock client waits for a plugin that does
// not answer. A failure before a call was sent is a Transient fault even in a
// commit; a failure after that is an error without a fault, which
// social.FaultOf reads as Ambiguous in a commit. Start with Host.Platform,
// then supervisor.go for restarts and runner.go for the process.
package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// Config is how a Host runs its plugins. Binary, Args, Dir and Log have to be
// set, the rest has defaults.
type Config struct {
	// Binary is the program of every plugin that names none of its own. Empty
	// means the running one.
	Binary string
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
	Probe   time.Duration // an answer to "are you there?": 2 s
	Idle    time.Duration // silence after which a plugin is probed: 15 s
	Drain   time.Duration // calls in flight when the host closes: 10 s
}

// A Spec is one plugin to run.
type Spec struct {
	ID     string        // the manifest's; a plugin that says otherwise is refused
	Name   string        // what Config.Args is asked with
	Binary string        // its own program; empty means Config.Binary. A name without a slash is looked up in PATH, as an interpreter's
	Args   []string      // arguments of its own program, such as a script's path in Dir
	Dir    string        // working directory of its own program; empty means an empty one
	Digest string        // hexadecimal SHA-256 that the program must have; empty means any
	Env    []string      // besides Config.Env
	Start  time.Duration // from fork to the manifest; 0 means Timeouts.Start. Interpreters take longer: 20 s
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
	plugins map[string]*supervisor
	order   []string
	files   map[string]*executable // by path
	life    context.Context        // ends when Close begins; starts under way end with it
	end     context.CancelFunc
	closing sync.Once
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
		cfg: cfg, sockets: sockets, fork: newForker(),
		tracer:  otel.Tracer("github.com/carillonhq/carillon/adapters/pluginhost"),
		plugins: map[string]*supervisor{}, files: map[string]*executable{},
	}
	h.life, h.end = context.WithCancel(context.Background())
	for _, spec := range specs {
		if h.plugins[spec.ID] != nil {
			return nil, errors.Join(fmt.Errorf("plugin %s is listed twice", spec.ID), h.Close(context.Background()))
		}
		path, err := programOf(cfg, spec)
		if err != nil {
			return nil, errors.Join(err, h.Close(context.Background()))
		}
		if h.files[path] == nil {
			h.files[path] = &executable{path: path, byPath: isInterpreter(spec)}
		}
		h.plugins[spec.ID] = newSupervisor(h, spec, h.files[path])
		h.order = append(h.order, spec.ID)
	}
	return h, nil
}

func withDefaults(cfg Config) Config {
	t := &cfg.Timeouts
	for at, d := range map[*time.Duration]time.Duration{
		&t.Start: 5 * time.Second, &t.Prepare: 2 * time.Minute, &t.Commit: 45 * time.Second, &t.Query: 30 * time.Second,
		&t.Probe: 2 * time.Second, &t.Idle: 15 * time.Second, &t.Drain: 10 * time.Second,
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

// List returns the manifest of every plugin that can be asked for it, in the
// order of the specs, starting those that never ran. The others are logged.
func (h *Host) List(ctx context.Context) []social.Manifest {
	found := make([]*social.Manifest, len(h.order))
	var g errgroup.Group
	g.SetLimit(4)
	for i, id := range h.order {
		g.Go(func() error {
			m, err := h.plugins[id].describe(ctx)
			if err != nil {
				h.cfg.Log.WarnContext(ctx, "plugin not listed", "plugin", id, "error", err)
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
	s := h.plugins[id]
	if s == nil {
		return nil, fault.New(fault.NotFound, "plugin.unknown", "There is no such platform here.")
	}
	m, err := s.describe(ctx)
	if err != nil {
		return nil, err
	}
	return &platform{s, m}, nil
}

// Status is how one plugin is doing.
type Status struct {
	ID          string
	Digest      string // of the program, once it ran
	Version     string // of the plugin, once it ran
	PID         int    // 0: not running
	InFlight    int
	Starts      int // since the host began
	Crashes     int // in the last 10 minutes
	Quarantined time.Time
	LastError   string
	Sandbox     sandbox.Level // of the process that runs
}

// Status tells how every plugin is doing, in the order of the specs.
func (h *Host) Status() []Status {
	out := make([]Status, len(h.order))
	for i, id := range h.order {
		out[i] = h.plugins[id].status()
	}
	return out
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
		var wg sync.WaitGroup
		for _, s := range h.plugins {
			wg.Go(func() { s.close(ctx) })
		}
		wg.Wait()
		h.fork.close()
		err = h.sockets.close()
		for _, f := range h.files {
			err = errors.Join(err, f.close())
		}
	})
	return err
}
