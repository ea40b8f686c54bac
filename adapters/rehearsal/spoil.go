package rehearsal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

func (p *Proxy) act(w http.ResponseWriter, r *http.Request, e *Exchange, act *Action) {
	p.note(func() { e.Injected = act.Name })
	if act.Cut == BeforeBody {
		run(act.Before)
		hangUp(w)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	p.note(func() { e.RequestBody = body[:min(len(body), maxKept)] })
	if err != nil {
		p.note(func() { e.Err = err.Error() })
		hangUp(w)
		return
	}
	run(act.Before)
	var res *http.Response
	if act.Forward {
		if res, err = p.forward(r, e, body); err != nil {
			p.note(func() { e.Err = err.Error() })
			p.answer(w, e, &Answer{Status: http.StatusBadGateway, Body: "the fake platform did not answer"})
			return
		}
		defer res.Body.Close()
	}
	run(act.After)
	switch {
	case act.Stall:
		p.stall(r, e)
		hangUp(w)
	case act.Cut == AfterBody:
		hangUp(w)
	case act.Answer != nil:
		p.answer(w, e, act.Answer)
	case res != nil:
		p.relay(w, e, res)
	default:
		p.answer(w, e, &Answer{Status: http.StatusBadGateway, Body: "there is no fake platform"})
	}
}

func run(f func()) {
	if f != nil {
		f()
	}
}

// forward sends the request to the fake. It goes on when the plugin has given
// up: a platform does not stop either.
func (p *Proxy) forward(r *http.Request, e *Exchange, body []byte) (*http.Response, error) {
	if p.target == nil && p.remote == nil {
		return nil, errors.New("there is no fake platform: carillon.yaml names none in test.upstream.command")
	}
	to := *r.URL
	if p.target != nil {
		to.Scheme, to.Host = p.target.Scheme, p.target.Host
	}
	out, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Host, out.Header = r.Host, r.Header.Clone()
	if p.remote != nil {
		if err := p.remote.settle(out, r.Host); err != nil {
			return nil, err
		}
	}
	for _, h := range []string{"Proxy-Authorization", "Proxy-Connection", "Connection", "Keep-Alive", "Te", "Upgrade"} {
		out.Header.Del(h)
	}
	p.note(func() { e.Forwarded = true })
	return p.client.RoundTrip(out)
}

// relay passes on what the fake said.
func (p *Proxy) relay(w http.ResponseWriter, e *Exchange, res *http.Response) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil { // the fake broke off, and so does its answer
		p.note(func() { e.Err = err.Error() })
		hangUp(w)
		return
	}
	h := w.Header()
	for k, v := range res.Header {
		if !slices.Contains([]string{"Connection", "Transfer-Encoding", "Proxy-Status"}, k) {
			h[k] = v
		}
	}
	p.note(func() {
		e.Status, e.ResponseHeader, e.ResponseBody = res.StatusCode, res.Header, body[:min(len(body), maxKept)]
	})
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(body)
}

func (p *Proxy) answer(w http.ResponseWriter, e *Exchange, a *Answer) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	for k, v := range a.Header {
		h.Set(k, v)
	}
	p.note(func() { e.Status, e.ResponseHeader, e.ResponseBody = a.Status, h.Clone(), []byte(a.Body) })
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body)
}

// maxStall is how long a request that nobody gives up is kept.
const maxStall = 2 * time.Minute

func (p *Proxy) stall(r *http.Request, e *Exchange) {
	limit := time.NewTimer(maxStall)
	defer limit.Stop()
	select {
	case <-r.Context().Done():
		p.note(func() { e.Abandoned = true })
	case <-limit.C:
	case <-p.ended:
	}
}

// hangUp ends the connection by a reset.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	inner := conn
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		inner = t.NetConn()
	}
	if tcp, ok := inner.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = inner.Close()
}
