package sdk

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func protoValue(m proto.Message) protoreflect.Value {
	return protoreflect.ValueOfMessage(m.ProtoReflect())
}

// HTTPClient returns the client that plugins talk to platforms with. It goes
// through the egress proxy that the host named for the call that a request's
// context is of, or else in the environment, follows redirects only of GET and
// HEAD, has a limit on each stage that is not the transfer itself (the context
// bounds the whole), and notes every request for the host. It is safe for
// concurrent use; make one per plugin. Connections are kept for as long as the
// call lasts.
//
// A request without its call's context is nobody's: the host cannot tell for
// which tenant it is, may refuse it, and does not end it with the call.
//
// Reads may be repeated by it on a connection that went stale. Requests that
// must not be repeated go through Commit.
//
// The error of a request, and of reading its answer, has a *social.Fault from
// the network in its chain, so a plugin may return it as it is: Transient, and
// in a commit step Ambiguous as soon as it may follow what cannot be undone.
func HTTPClient() *http.Client {
	return &http.Client{
		Transport:     &transport{reads: newTransport(false), commits: newTransport(true), paid: newPaidTransport()},
		CheckRedirect: followReads,
	}
}

// followReads lets GET and HEAD be redirected. Anything else answers with the
// redirect itself: 307 and 308 would send the body a second time.
func followReads(req *http.Request, via []*http.Request) error {
	first := via[0].Method
	if first != http.MethodGet && first != http.MethodHead || len(via) >= 5 {
		return http.ErrUseLastResponse
	}
	return nil
}

// newTransport makes net/http's transport, for single requests if once is set.
func newTransport(once bool) *http.Transport {
	t := &http.Transport{
		Proxy:                  proxyFrom(os.Getenv),
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  30 * time.Second,
		IdleConnTimeout:        60 * time.Second,
		MaxIdleConnsPerHost:    8,
		MaxConnsPerHost:        64,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
		OnProxyConnectResponse: tunnelled,
	}
	if once {
		neverRepeat(t)
	}
	return t
}

// neverRepeat takes away every way in which net/http sends a request twice.
// It repeats one on a reused connection that turns out closed, if the method
// is safe, the body can be rewound or an Idempotency-Key header is set, even
// when the request was written; and on HTTP/2 when the peer resets the stream.
// A fresh HTTP/1.1 connection per request leaves it no occasion.
func neverRepeat(t *http.Transport) {
	t.DisableKeepAlives = true
	t.DialContext = dialTimely(t.DialContext)
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
}

// transport notes requests and sends those of Commit and Pay their own way.
type transport struct {
	reads, commits, paid http.RoundTripper
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	next := t.reads
	switch o := outletOf(req.Context()); {
	case req.Context().Value(paidKey{}) != nil:
		next = t.paid
	case isCommit(req.Context()):
		next = t.commits
	case o != nil:
		next = o.transport()
	}
	start := time.Now()
	res, err := next.RoundTrip(req)
	note(req.Context(), req, res, start)
	switch {
	case isCommit(req.Context()): // Commit knows what it proves
		return res, err
	case err != nil:
		return nil, unreached(req, err)
	case stopped(req, res):
		_ = res.Body.Close()
		return nil, unreached(req, denied(req.URL.Host, res))
	}
	return answered(req, res), nil
}

// CloseIdleConnections lets http.Client's method of that name work.
func (t *transport) CloseIdleConnections() {
	for _, rt := range []http.RoundTripper{t.reads, t.commits, t.paid} {
		if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

type commitKey struct{}

func isCommit(ctx context.Context) bool { return ctx.Value(commitKey{}) != nil }

// proxyFrom reads HTTPS_PROXY, which a call's own proxy stands in for, and
// NO_PROXY. Unlike net/http it makes no
// exception for loopback, where an attacker would point a plugin; NO_PROXY
// lists the exact host:port pairs, such as the host's media gateway, that are
// reached directly.
func proxyFrom(getenv func(string) string) func(*http.Request) (*url.URL, error) {
	raw := getenv("HTTPS_PROXY")
	if raw == "" {
		return nil
	}
	direct := map[string]bool{}
	for _, h := range strings.Split(getenv("NO_PROXY"), ",") {
		direct[strings.TrimSpace(h)] = true
	}
	proxy, err := url.Parse(raw)
	return func(req *http.Request) (*url.URL, error) {
		if direct[hostPort(req.URL)] {
			return nil, nil
		}
		if o := outletOf(req.Context()); o != nil {
			return o.proxy, nil
		}
		return proxy, err
	}
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	port := "443"
	if u.Scheme == "http" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
