package rehearsal

import (
	"context"
	"log/slog"
	"path/filepath"
	"syscall"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
)

// Session is the plugin under the real host.
type Session struct {
	Host   *pluginhost.Host
	Plugin pluginhost.Plugin
}

// Start runs the plugin under a host of its own.
func (s *Stage) Start(ctx context.Context) (*Session, error) {
	cfg := s.config()
	cfg.Dir, cfg.Log = filepath.Join(s.dir, "s"), slog.New(&listener{hear: s.opt.Output})
	cfg.Egress = func(string) pluginhost.Egress { return door{s.Proxy} }
	cfg.Timeouts = pluginhost.Timeouts{Start: s.patience(), Idle: time.Minute, Probe: 10 * time.Second}
	host, err := pluginhost.New(cfg, []pluginhost.Spec{s.spec()})
	if err != nil {
		return nil, err
	}
	plugin, err := host.Platform(ctx, s.Manifest.ID)
	if err != nil {
		_ = host.Close(ctx)
		return nil, err
	}
	return &Session{Host: host, Plugin: plugin}, nil
}

// config is how a process is started, under a host and without one.
func (s *Stage) config() pluginhost.Config {
	return pluginhost.Config{
		Args: s.opt.Self, Env: s.environ(), Direct: []string{s.Gateway.addr},
		Sandbox: pluginhost.Sandbox{ReadOnly: []string{filepath.Join(s.dir, caDir)}},
	}
}

func (s *Stage) spec() pluginhost.Spec {
	p := s.opt.Program
	return pluginhost.Spec{ID: s.Manifest.ID, Name: p.Name, Binary: p.Binary, Args: p.Args, Dir: p.Dir}
}

// Renew puts what was built since in the place of what runs, as an upgrade.
// What runs stays if the new one does not start or may not take over.
func (s *Stage) Renew(ctx context.Context, x *Session) error {
	if err := s.learn(ctx); err != nil {
		return err
	}
	if err := x.Host.Upgrade(ctx, s.spec()); err != nil {
		return err
	}
	var err error
	x.Plugin, err = x.Host.Platform(ctx, s.Manifest.ID)
	return err
}

// PID is the number of the process that serves now; 0 if none does.
func (x *Session) PID() int { return x.Host.Status()[0].PID }

// Kill ends the process the hard way and reports whether there was one.
func (x *Session) Kill() bool {
	pid := x.PID()
	return pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil
}

// Close ends the host. A plugin that does not drain is killed.
func (x *Session) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = x.Host.Close(ctx)
}

// listener is a slog.Handler that hears what the plugin says and what becomes
// of it.
type listener struct {
	hear  func(string)
	attrs []slog.Attr
}

func (l *listener) Enabled(context.Context, slog.Level) bool { return l.hear != nil }

func (l *listener) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "line":
			line = a.Value.String()
		case "error", "version", "to":
			line += " " + a.Key + "=" + a.Value.String()
		}
		return true
	})
	l.hear(line)
	return nil
}

func (l *listener) WithAttrs(a []slog.Attr) slog.Handler {
	return &listener{l.hear, append(l.attrs, a...)}
}
func (l *listener) WithGroup(string) slog.Handler { return l }
