package sdk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// CommitTimeout bounds an irreversible request. A manifest's Settle must be
// longer than it plus the platform's own worst time.
const CommitTimeout = 30 * time.Second

// MaxAnswer is the most that Commit reads of an answer, in bytes.
const MaxAnswer = 4 << 20

// Commit makes the irreversible request of a commit step: once, on a fresh
// connection, with no redirect and no retry beneath it, for at most
// CommitTimeout and not past ctx's deadline, even if this process was suspended
// meanwhile. It returns the answer whatever its status, the body read in
// full and needing no Close; the plugin judges it, with Refusal for what is
// not a success.
//
// An error is a *social.Fault from the network. Its kind is Transient if no
// connection came about, so that the platform cannot have seen the request,
// and Ambiguous from the moment there was one: a write that seems to fail may
// have arrived, and an answer that breaks off says nothing.
//
// A client of HTTPClient, or one with an *http.Transport, is made to send
// once. Of another RoundTripper that cannot be known; use it in tests only.
func Commit(ctx context.Context, client *http.Client, req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, CommitTimeout)
	defer cancel()
	res, err := sendOnce(ctx, client, req)
	if err != nil {
		return nil, err
	}
	if err := buffer(res); err != nil {
		return nil, lost(err, true)
	}
	return res, nil
}

// sendOnce sends what must not be sent twice, until ctx's deadline, which it
// has. Its error is a fault from the network, as Commit says. Whoever gets an
// answer reads it, and closes it.
func sendOnce(ctx context.Context, client *http.Client, req *http.Request) (*http.Response, error) {
	until, _ := ctx.Deadline()
	if !time.Now().Before(until) { // it woke up too late, and ctx has not noticed yet
		return nil, lost(context.DeadlineExceeded, false)
	}
	ctx = context.WithValue(ctx, commitKey{}, until)
	begun(ctx)
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req = req.Clone(ctx)
	req.GetBody = nil // what cannot be rewound cannot be sent again
	res, err := once(client).Do(req)
	if err != nil {
		return nil, lost(err, connected.Load())
	}
	if stopped(req, res) {
		_ = res.Body.Close()
		return nil, lost(denied(req.URL.Host, res), false)
	}
	return res, nil
}

// notSent are the reasons of the egress proxy for which a request did not
// leave it (RFC 9209).
var notSent = []string{"http_request_denied", "destination_ip_prohibited", "destination_unavailable", "connection_limit_reached"}

// proxyStatus is how the egress proxy begins to say why.
const proxyStatus = "carillon; error="

// stopped reports whether res is the egress proxy's own word that it did not
// send req. Only a plain request passes through it in the open, and the proxy
// removes that header from what others answer.
func stopped(req *http.Request, res *http.Response) bool {
	reason, ours := strings.CutPrefix(res.Header.Get("Proxy-Status"), proxyStatus)
	return ours && req.URL.Scheme == "http" && os.Getenv("HTTPS_PROXY") != "" && slices.Contains(notSent, reason)
}

// once is client without redirects, sending each request a single time.
func once(client *http.Client) *http.Client {
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	rt := c.Transport
	if rt == nil {
		rt = http.DefaultTransport
	}
	if t, ok := rt.(*http.Transport); ok {
		t = t.Clone()
		neverRepeat(t)
		c.Transport = t
	}
	return &c
}

// buffer replaces the body by what it holds, so that an answer cut short is a
// failure of the request and not of whoever parses it.
func buffer(res *http.Response) error {
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswer+1))
	if err == nil && len(b) > MaxAnswer {
		err = errors.New("the answer is over the limit")
	}
	res.Body = io.NopCloser(bytes.NewReader(b))
	return err
}

func lost(err error, connected bool) *social.Fault {
	f := social.Fail(social.Transient, "network.unreachable", "The platform could not be reached.")
	if connected {
		f = social.Fail(social.Ambiguous, "network.lost", "The platform's answer was lost.")
	}
	f.Source, f.Err = social.FromNetwork, Cause(err)
	return f
}
