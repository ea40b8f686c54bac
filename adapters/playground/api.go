package playground

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/adapters/rules"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

//go:embed assets
var assets embed.FS

// policy lets the page have what this server gives it, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves the page and its interface to callers who came to host.
func (p *Playground) Handler(host string) http.Handler {
	mux := http.NewServeMux()
	for path, file := range map[string]string{"GET /{$}": "index.html", "GET /app.js": "app.js", "GET /app.css": "app.css"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, assets, "assets/"+file) })
	}
	mux.HandleFunc("GET /api/state", p.getState)
	for path, act := range map[string]func(*http.Request) (any, error){
		"/api/publish": p.postPublish, "/api/step": p.postStep, "/api/arm": p.postArm, "/api/kill": p.postKill,
		"/api/restart": p.postRestart, "/api/count": p.postCount,
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) { reply(w, r, act) })
	}
	return guarded(host, mux)
}

// guarded keeps other pages of the author's browser out: they may not name this
// host, and cannot set the header.
func guarded(host string, next http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(host)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case r.Host != host && r.Host != "localhost:"+port:
			http.Error(w, "this is a playground on another address", http.StatusMisdirectedRequest)
		case r.Method != http.MethodGet && r.Header.Get("X-Playground") != "1":
			http.Error(w, "only the playground's own page may ask for that", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func reply(w http.ResponseWriter, r *http.Request, act func(*http.Request) (any, error)) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	body, err := act(r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		body = map[string]string{"error": messageOf(err)}
	}
	_ = json.NewEncoder(w).Encode(body)
}

func messageOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Message
	}
	return err.Error()
}

func read(r *http.Request, into any) error {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "playground.body", "The body is not JSON of the right form.").Because(err)
	}
	return nil
}

// state is what the page shows.
type state struct {
	Version  int                `json:"version"`
	Status   string             `json:"status"`
	Problem  string             `json:"problem"`
	Build    string             `json:"build"`
	Swaps    int                `json:"swaps"`
	Armed    string             `json:"armed"`
	PID      int                `json:"pid"`
	Manifest *manifest          `json:"manifest"`
	Accounts []string           `json:"accounts"`
	Objects  []rehearsal.Object `json:"objects"`
	Count    int                `json:"count"`
	Takes    []take             `json:"takes"`
	Logs     []string           `json:"logs"`
}

// manifest is what the page shows of one.
type manifest struct {
	ID           string              `json:"id"`
	Name         string              `json:"name"`
	Version      string              `json:"version"`
	Summary      string              `json:"summary"`
	SignIn       social.AuthKind     `json:"sign_in"`
	Recovery     social.Dedup        `json:"recovery"`
	Settle       string              `json:"settle"`
	Egress       []string            `json:"egress"`
	Capabilities []social.Capability `json:"capabilities"`
	Quotas       []social.Quota      `json:"quotas"`
	Formats      []format            `json:"formats"`
}

type format struct {
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	Text     social.TextRule  `json:"text"`
	Media    social.MediaRule `json:"media"`
	Settings json.RawMessage  `json:"settings,omitempty"`
}

func described(m social.Manifest) *manifest {
	out := &manifest{
		ID: m.ID, Name: m.Name, Version: m.Version, Summary: m.Summary, SignIn: m.Auth.Kind, Recovery: m.Dedup, Settle: m.Settle.String(),
		Egress: m.Egress, Capabilities: m.Capabilities, Quotas: m.Quotas,
	}
	for _, f := range m.Formats {
		out.Formats = append(out.Formats, format{f.ID, f.Name, f.Text, f.Media, f.Settings})
	}
	return out
}

// longest is how long a question for news is held.
const longest = 20 * time.Second

// getState answers once there is something newer than ?after=.
func (p *Playground) getState(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil {
		after = -1
	}
	ctx, cancel := context.WithTimeout(r.Context(), longest)
	defer cancel()
	for p.stale(after) {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
			continue
		case <-ctx.Done():
		}
		break
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(p.state())
}

func (p *Playground) stale(after int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version <= after
}

func (p *Playground) state() state {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := state{
		Version: p.version, Status: p.status, Problem: p.problem, Build: p.built, Swaps: p.swaps, Armed: p.armed, Objects: p.objects, Count: p.count,
		Manifest: p.manifest, PID: p.pid, Logs: append([]string{}, p.logs...),
	}
	for _, a := range p.opt.Settings.Accounts {
		s.Accounts = append(s.Accounts, a.ID)
	}
	for _, t := range p.takes {
		shown := *t
		shown.Steps = append([]step{}, t.Steps...)
		s.Takes = append(s.Takes, shown)
	}
	return s
}

func (p *Playground) postPublish(r *http.Request) (any, error) {
	var o order
	if err := read(r, &o); err != nil {
		return nil, err
	}
	return struct{}{}, p.publish(p.ctx, o)
}

func (p *Playground) postStep(r *http.Request) (any, error) {
	var in struct{ Take int }
	if err := read(r, &in); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.takes {
		if t.ID == in.Take {
			select {
			case t.next <- struct{}{}:
			default:
			}
			return struct{}{}, nil
		}
	}
	return nil, fault.New(fault.NotFound, "playground.take", "There is no such publication.")
}

func (p *Playground) postArm(r *http.Request) (any, error) {
	var in struct{ What string }
	if err := read(r, &in); err != nil {
		return nil, err
	}
	switch in.What {
	case "", crashBefore, crashAfter, loseReply:
		p.show(func() { p.armed = in.What })
		return struct{}{}, nil
	}
	return nil, fault.New(fault.Invalid, "playground.trouble", "There is no such trouble.")
}

// postKill ends the process at once, whatever it is doing. It is the one that
// runs now, which need not be the one that the page shows.
func (p *Playground) postKill(*http.Request) (any, error) {
	p.mu.Lock()
	session := p.session
	p.mu.Unlock()
	if session == nil || !session.Kill() {
		return nil, fault.New(fault.Unavailable, "playground.down", "The plugin does not run.")
	}
	p.hear("playground: killed the plugin's process")
	return struct{}{}, nil
}

func (p *Playground) postRestart(*http.Request) (any, error) {
	p.work.Lock()
	defer p.work.Unlock()
	p.show(func() { p.takes, p.logs, p.armed = nil, nil, "" })
	if err := p.restart(p.ctx); err != nil {
		p.fail(err)
		return nil, err
	}
	p.show(func() { p.status, p.problem = "running", "" })
	p.recount(p.ctx)
	return struct{}{}, nil
}

// postCount says how long a text is, as the platform counts, and what is wrong
// with it.
func (p *Playground) postCount(r *http.Request) (any, error) {
	var in struct{ Format, Text string }
	if err := read(r, &in); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.formats {
		if f.ID == in.Format {
			return map[string]any{"count": rules.Count(f.Text, in.Text), "max": f.Text.Max, "violations": rules.Check(f, nil, in.Text, nil, "/content")}, nil
		}
	}
	return nil, fault.New(fault.NotFound, "playground.format", "There is no such format.")
}
