// Package playground is a page on an author's own machine on which a plugin is
// tried by hand: what it says of itself, a form to write something, each step
// of its publication with every request, and buttons for what goes wrong.
//
// The plugin runs under the real host against the fake of its platform; when
// its source changes it is built again and takes over while it runs, as an
// upgrade does. The page is served on loopback alone, asks nothing of anybody
// else, and shows no secret: what the accounts at the fake sign in with is
// struck out. Start with New and Run.
package playground

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/social"
)

// Options are a plugin and how it is built.
type Options struct {
	rehearsal.Options
	// Build makes the plugin anew and returns what that said. Nil: nothing to make.
	Build func(context.Context) (output string, err error)
	// Watch is the folder whose changes build it again; empty: none.
	Watch string
	// Every is how often the folder is looked at; 0 means half a second.
	Every time.Duration
}

// Playground is one plugin being tried.
type Playground struct {
	opt Options

	work    sync.Mutex // one build, swap or step at a time
	stage   *rehearsal.Stage
	session *rehearsal.Session

	mu      sync.Mutex
	version int           // of what the page shows
	changed chan struct{} // closed when version grows
	status  string        // "building", "running", "broken"
	problem string
	built   string
	swaps   int
	armed   string
	logs    []string
	takes   []*take
	secrets []string
	objects []rehearsal.Object
	count   int
	pid     int
	// of the plugin that runs
	manifest *manifest
	formats  []social.Format

	ctx context.Context //nolint:containedctx // of Run: what a request starts outlives it
}

// New makes a playground. Nothing runs before Run.
func New(opt Options) *Playground {
	p := &Playground{opt: opt, changed: make(chan struct{}), status: "building", ctx: context.Background()}
	p.opt.Output = p.hear
	if p.opt.Every == 0 {
		p.opt.Every = time.Second / 2
	}
	for _, a := range opt.Settings.Accounts {
		p.secrets = append(p.secrets, rehearsal.Revealed(a.Credential.AccessToken))
		for _, s := range a.Credential.Secrets {
			p.secrets = append(p.secrets, rehearsal.Revealed(s))
		}
	}
	return p
}

// Run builds, serves the page on ln, which must be on loopback, and follows the
// folder until ctx is done.
func (p *Playground) Run(ctx context.Context, ln net.Listener) error {
	if at, ok := ln.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return fmt.Errorf("%s is not on loopback", ln.Addr())
	}
	s := &http.Server{Handler: p.Handler(ln.Addr().String()), ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	p.ctx = ctx
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { p.follow(ctx) })
	err := s.Serve(ln)
	wg.Wait()
	p.close()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// follow builds at once and after each change of the folder.
func (p *Playground) follow(ctx context.Context) {
	seen := snapshot(p.opt.Watch)
	p.rebuild(ctx)
	tick := time.NewTicker(p.opt.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now := snapshot(p.opt.Watch); now != seen {
			seen = now
			p.rebuild(ctx)
		}
	}
}

// rebuild builds and puts the result in the place of what runs.
func (p *Playground) rebuild(ctx context.Context) {
	p.work.Lock()
	defer p.work.Unlock()
	p.show(func() { p.status, p.problem, p.built = "building", "", "" })
	if p.opt.Build != nil {
		out, err := p.opt.Build(ctx)
		p.show(func() { p.built = strings.TrimSpace(out) })
		if err != nil {
			p.fail(fmt.Errorf("it does not build: %w", err))
			return
		}
	}
	if err := p.swap(ctx); err != nil {
		p.fail(err)
		return
	}
	p.show(func() { p.status, p.swaps = "running", p.swaps+1 })
	p.recount(ctx)
}

func (p *Playground) fail(err error) {
	p.show(func() { p.status, p.problem = "broken", p.redact(err.Error()) })
}

// swap starts the plugin, or upgrades it if it runs already. One that may not
// take over is started over, fake and all.
func (p *Playground) swap(ctx context.Context) error {
	if p.session != nil {
		err := p.stage.Renew(ctx, p.session)
		if err == nil || errors.Is(err, rehearsal.ErrPlugin) {
			return err
		}
		p.hear("playground: started over, because the new version may not take over: " + err.Error())
	}
	return p.restart(ctx)
}

// restart ends everything and starts it anew. Called with the work locked.
func (p *Playground) restart(ctx context.Context) error {
	p.end()
	stage, err := rehearsal.Open(ctx, p.opt.Options)
	if err != nil {
		return err
	}
	stage.Proxy.Spoil(p.spoil)
	session, err := stage.Start(ctx)
	if err != nil {
		stage.Close()
		return err
	}
	p.runs(stage, session)
	return nil
}

func (p *Playground) end() {
	if p.session != nil {
		p.session.Close()
	}
	if p.stage != nil {
		p.stage.Close()
	}
	p.runs(nil, nil)
}

// runs sets what runs now. Called with the work locked; buttons that do not wait
// for it look at the session with mu.
func (p *Playground) runs(stage *rehearsal.Stage, session *rehearsal.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.session = stage, session
}

func (p *Playground) close() {
	p.work.Lock()
	defer p.work.Unlock()
	p.end()
}

// maxLog is how many lines are kept.
const maxLog = 400

func (p *Playground) hear(line string) {
	p.show(func() {
		p.logs = append(p.logs, time.Now().Format("15:04:05.000 ")+p.redact(line))
		if n := len(p.logs) - maxLog; n > 0 {
			p.logs = p.logs[n:]
		}
	})
}

// show changes what the page shows.
func (p *Playground) show(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.version++
	close(p.changed)
	p.changed = make(chan struct{})
}

// redact strikes the accounts' secrets out.
func (p *Playground) redact(text string) string {
	for _, s := range p.secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	return text
}

// recount asks the fake what is live. Called with the work locked.
func (p *Playground) recount(ctx context.Context) {
	if p.stage == nil {
		return
	}
	m, pid := p.stage.Manifest, p.session.PID()
	p.show(func() { p.manifest, p.formats, p.pid = described(m), m.Formats, pid })
	if !p.stage.Counts() {
		return
	}
	list, err := p.stage.Objects(ctx)
	if err != nil {
		p.hear("playground: " + err.Error())
		return
	}
	p.show(func() { p.count, p.objects = len(list), list[max(0, len(list)-20):] })
}
