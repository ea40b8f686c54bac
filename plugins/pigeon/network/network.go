// Package network is Pigeon, the practice network: a small social network
// that behaves as badly as the real ones, on purpose and on request.
//
// Demo, tutorial, tests and the crash driver publish here, so that nobody
// needs a vendor's account to see a post go live, and so that losing or
// doubling one can be counted. It signs people in by OAuth 2, and into other
// services by OpenID Connect, processes media
// with a delay, limits rates, and hides new posts from its listing for a while,
// as an index does. What goes wrong is chosen by words in a post's text (see
// Trouble), by Network.Trouble, or by chance with a seed (see Faults).
//
// Every change is one JSON line in a journal, written before the answer, so a
// network that was killed comes back with what it had accepted. Start with Open.
package network

import (
	"crypto/ed25519"
	"net/http"
	"sync"
	"time"
)

// Options shape a network. The zero value is a well-behaved network in memory.
type Options struct {
	Dir string // where the journal and the media live; "" keeps all in memory

	ClientID     string   // "" means DefaultClientID
	ClientSecret string   // "" means the client need not know one
	RedirectURIs []string // allowed callbacks; none means any on loopback

	Accounts []string // handles that exist from the start; none means three

	AccessLife time.Duration // of an access token; 0 means an hour
	Processing time.Duration // how long a picture is not ready; 0: at once
	IndexLag   time.Duration // how long a post is missing from listings
	NativeKey  bool          // a repeated client_ref answers with the first post
	Unmarked   bool          // a client_ref is taken and never shown: posts are known by their words alone
	RateLimit  int           // requests per account and window; 0: no limit
	RateWindow time.Duration // 0 means five minutes
	SlowFor    time.Duration // how long "slow" takes; 0 means five seconds
	ReviewFor  time.Duration // how long "review" takes; 0 means a minute
	Faults     Faults

	Now  func() time.Time  // nil means time.Now
	Warn func(what string) // told of what could not be read back; nil: nobody
}

// DefaultClientID is the application that a network knows unless told another.
const DefaultClientID = "carillon"

// Limits of the network.
const (
	MaxText     = 500 // graphemes
	MaxMedia    = 4
	MaxMediaLen = 8 << 20 // bytes of one picture
	MaxAlt      = 1000    // graphemes
)

// A Network is one practice network. It is an http.Handler.
type Network struct {
	opt    Options
	mux    *http.ServeMux
	closed chan struct{}
	close  sync.Once

	mu       sync.Mutex
	journal  *journal
	accounts []*Account
	byHandle map[string]*Account
	access   map[string]*grant // by hash of the access token
	refresh  map[string]*grant // by hash of the refresh token
	codes    map[string]*code
	media    map[string]*Media
	posts    []*Post
	byID     map[string]*Post
	byAuthor map[string][]*Post
	byRef    map[string]*Post // author and client_ref, the first of each
	replies  map[string][]*Post
	armed    []Trouble
	fired    map[string]bool // trouble and identity
	tries    map[string]int  // by identity
	windows  map[string]*window
	watchers map[chan struct{}]bool
	signing  ed25519.PrivateKey // of ID tokens
}

// Open makes a network and reads back what its journal holds.
func Open(opt Options) (*Network, error) {
	n := &Network{
		opt: withDefaults(opt), closed: make(chan struct{}),
		byHandle: map[string]*Account{}, access: map[string]*grant{}, refresh: map[string]*grant{},
		codes: map[string]*code{}, media: map[string]*Media{}, byID: map[string]*Post{},
		byAuthor: map[string][]*Post{}, byRef: map[string]*Post{}, replies: map[string][]*Post{},
		fired: map[string]bool{}, tries: map[string]int{}, windows: map[string]*window{},
		watchers: map[chan struct{}]bool{},
	}
	var err error
	if n.journal, err = openJournal(n.opt, n.restore); err != nil {
		return nil, err
	}
	for _, handle := range n.opt.Accounts {
		if _, err := n.join(handle); err != nil {
			return nil, err
		}
	}
	if _, n.signing, err = ed25519.GenerateKey(nil); err != nil {
		return nil, err
	}
	n.mux = n.routes()
	return n, nil
}

func withDefaults(opt Options) Options {
	setDefault(&opt.ClientID, DefaultClientID)
	setDefault(&opt.AccessLife, time.Hour)
	setDefault(&opt.RateWindow, 5*time.Minute)
	setDefault(&opt.SlowFor, 5*time.Second)
	setDefault(&opt.ReviewFor, time.Minute)
	if len(opt.Accounts) == 0 {
		opt.Accounts = []string{"harbour", "lantern", "kestrel"}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Warn == nil {
		opt.Warn = func(string) {}
	}
	return opt
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Close ends every held request and closes the journal.
func (n *Network) Close() error {
	var err error
	n.close.Do(func() {
		close(n.closed)
		n.mu.Lock()
		defer n.mu.Unlock()
		err = n.journal.close()
	})
	return err
}

func (n *Network) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, page := range map[string]http.HandlerFunc{
		"GET /{$}":             n.timelinePage,
		"GET /{handle}":        n.profilePage,
		"GET /posts/{id}":      n.postPage,
		"GET /media/{id}":      n.mediaFile,
		"GET /live":            n.live,
		"GET /assets/{name}":   n.asset,
		"GET /oauth/authorize": n.authorizePage,

		"POST /oauth/authorize": n.authorize,
		"POST /oauth/token":     n.token,
		"POST /oauth/revoke":    n.revoke,

		"GET /.well-known/openid-configuration": n.discovery,
		"GET /oauth/keys":                       n.keys,

		"GET /api/v1/me":         n.api(n.me),
		"POST /api/v1/media":     n.api(n.upload),
		"GET /api/v1/media/{id}": n.api(n.mediaState),
		"POST /api/v1/posts":     n.api(n.create),
		"GET /api/v1/posts":      n.api(n.list),
		"GET /api/v1/posts/{id}": n.api(n.show),
		"GET /api/v1/metrics":    n.api(n.metrics),

		"GET /debug/posts": n.debugPosts,
		"GET /healthz":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	} {
		mux.HandleFunc(pattern, page)
	}
	return mux
}

// ServeHTTP implements http.Handler.
func (n *Network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", policy(""))
	n.mux.ServeHTTP(w, r)
}

// policy is the content security policy, with one more origin that a form may
// end at: browsers hold form-action to the redirect too.
func policy(formTarget string) string {
	return "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; frame-ancestors 'none'; form-action 'self' " + formTarget
}
