package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxBody is more than any request to the server or answer of it.
const maxBody = 8 << 20

// A fate is what becomes of a request whose sender dies.
type fate string

const (
	// lost: it never reached the server.
	lost fate = "lost"
	// late: it reaches the server when the next worker is at work already.
	late fate = "late"
	// stale: it reaches the server after the next worker's repetition of it.
	stale fate = "stale"
	// done: the server did it, and its answer is lost.
	done fate = "done"
)

// delay is how late a late request is.
const delay = 3 * time.Second

// A kill is one death of the worker: during which write, and what became of it.
type kill struct {
	At   string `json:"at"`
	Fate fate   `json:"request"`
}

// front is the reference server's published address. It passes everything on,
// except that it kills the worker during chosen writes. A write is known by
// what it is about, so that its repetition is not a new one.
type front struct {
	origin string // http://localhost:port
	server *http.Server
	target *url.URL
	proxy  *httputil.ReverseProxy

	mu     sync.Mutex // also makes strikes take turns
	plan   map[int]fate
	revive func() error
	held   map[int]*http.Request // stale ones
	keys   []string              // of records, in the order they were first written
	kills  []kill
	writes int // requests to write that reached the server
	errs   []error
}

func listenFront(ctx context.Context) (*front, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &front{held: map[int]*http.Request{}, origin: fmt.Sprintf("http://localhost:%d", ln.Addr().(*net.TCPAddr).Port)} // the address of a TCP listener
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = f.server.Serve(ln) }()
	return f, nil
}

func (f *front) close() { _ = f.server.Close() }

// pass tells where requests go. Before that, none may come.
func (f *front) pass(to string) {
	f.target, _ = url.Parse(to) // the server printed it
	f.proxy = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(f.target); r.Out.Host = r.In.Host }}
}

// arm plans n strikes, each during another of the writes, and every fate in
// turn. revive kills the worker and starts the next.
func (f *front) arm(seed uint64, n, writes int, revive func() error) {
	r := rand.New(rand.NewPCG(seed, 0)) // reproducible on purpose
	fates := []fate{lost, late, stale, done}
	r.Shuffle(len(fates), func(i, j int) { fates[i], fates[j] = fates[j], fates[i] })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan, f.revive = map[int]fate{}, revive
	for i, at := range r.Perm(writes)[:min(n, writes)] {
		f.plan[at] = fates[i%len(fates)]
	}
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		f.proxy.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler) // its sender died by itself
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	at, is := f.write(r.URL.Path, body)
	if is && f.strike(r, at) {
		panic(http.ErrAbortHandler) // nobody waits for an answer
	}
	f.proxy.ServeHTTP(w, r)
	if is {
		f.passed(at)
	}
}

// write says which write a request is: 0 for the photograph, then the records.
func (f *front) write(path string, body []byte) (at int, is bool) {
	switch {
	case strings.HasSuffix(path, "com.atproto.repo.uploadBlob"):
		return 0, true
	case !strings.HasSuffix(path, "com.atproto.repo.putRecord"):
		return 0, false
	}
	var put struct {
		Key string `json:"rkey"`
	}
	_ = json.Unmarshal(body, &put) // the server refuses what is not JSON
	f.mu.Lock()
	defer f.mu.Unlock()
	at = slices.Index(f.keys, put.Key)
	if at < 0 {
		at, f.keys = len(f.keys), append(f.keys, put.Key)
	}
	return at + 1, true
}

// strike kills the worker if that is planned for this write, once.
func (f *front) strike(r *http.Request, at int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	what, planned := f.plan[at]
	if !planned {
		return false
	}
	delete(f.plan, at)
	f.kills = append(f.kills, kill{At: nameOf(at), Fate: what})
	if what == done {
		f.deliver(r)
	}
	if err := f.revive(); err != nil {
		f.errs = append(f.errs, err)
	}
	switch what {
	case late:
		<-time.After(delay)
		f.deliver(r)
	case stale:
		f.held[at] = r
	}
	return true
}

// deliver brings a request to the server, though its sender is dead.
func (f *front) deliver(r *http.Request) {
	f.writes++
	answer := httptest.NewRecorder()
	f.proxy.ServeHTTP(answer, r.Clone(context.WithoutCancel(r.Context())))
	if answer.Code != http.StatusOK {
		f.errs = append(f.errs, fmt.Errorf("%s answered %d %s", r.URL.Path, answer.Code, answer.Body))
	}
}

// passed notes a write that reached the server, and lets an older one follow.
func (f *front) passed(at int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	if r := f.held[at]; r != nil {
		delete(f.held, at)
		f.deliver(r)
	}
}

// deaths are the kills so far.
func (f *front) deaths() []kill {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.kills)
}

// result is how many writes reached the server, and what went wrong in killing.
func (f *front) result() (writes int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := slices.Clone(f.errs)
	if n := len(f.held); n > 0 {
		errs = append(errs, fmt.Errorf("%d requests were never repeated", n))
	}
	if len(f.plan) > 0 {
		errs = append(errs, fmt.Errorf("%d planned kills never came", len(f.plan)))
	}
	return f.writes, errors.Join(errs...)
}

func nameOf(at int) string {
	if at == 0 {
		return "photograph"
	}
	return fmt.Sprintf("post %d", at)
}
