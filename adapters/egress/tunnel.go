package egress

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// tunnel serves CONNECT: bytes both ways until either side ends, the call is
// over, the grant is revoked or a limit is met.
func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request, v *visit) {
	out, err := p.policy.DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		code, reason := statusOf(err)
		v.refuse(w, code, reason)
		return
	}
	defer out.Close()
	in, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		v.refuse(w, http.StatusInternalServerError, "proxy_internal_error")
		return
	}
	defer in.Close()
	_ = in.SetDeadline(time.Time{})
	if _, err := io.WriteString(in, "HTTP/1.1 200 Connection Established\r\n\r\n"); err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(v.pass.life, p.limits.Lifetime)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _, _ = in.Close(), out.Close() })()

	var last atomic.Int64
	last.Store(time.Now().UnixNano())
	var both sync.WaitGroup
	both.Go(func() { p.pump(out, in, buffered.Reader, &v.sent, &last) })
	both.Go(func() { p.pump(in, out, out, &v.received, &last) })
	both.Wait()
}

// pump copies from src, read through r, to dst. When src ends, dst is told;
// when anything else happens, both are closed and the other pump ends too.
func (p *Proxy) pump(dst, src net.Conn, r io.Reader, count *tally, last *atomic.Int64) {
	buf := make([]byte, 32<<10)
	for left := p.limits.Bytes; left > 0; {
		_ = src.SetReadDeadline(time.Now().Add(p.limits.Idle))
		n, err := r.Read(buf[:min(int64(len(buf)), left)])
		if n > 0 {
			left -= int64(n)
			count.add(n)
			last.Store(time.Now().UnixNano())
			_ = dst.SetWriteDeadline(time.Now().Add(p.limits.Idle))
			if _, werr := dst.Write(buf[:n]); werr != nil {
				break
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if half, ok := dst.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
				return
			}
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Since(time.Unix(0, last.Load())) < p.limits.Idle:
			continue // the other direction is alive
		}
		if err != nil {
			break
		}
	}
	_, _ = src.Close(), dst.Close()
}

// forwarder sends a plain request on. Connections are not reused: net/http
// repeats a request on a reused connection that broke, and a request that
// publishes must leave once.
func (p *Proxy) forwarder() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Proxy-Authorization")
		},
		Transport: &http.Transport{DialContext: p.policy.DialContext, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10},
		// Only this proxy says that a request did not leave.
		ModifyResponse: func(r *http.Response) error { r.Header.Del("Proxy-Status"); return nil },
		FlushInterval:  -1,
		ErrorLog:       quiet(),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			code, reason := statusOf(err)
			if v, ok := r.Context().Value(visitKey{}).(*visit); ok {
				v.seen.Failed = reason
			}
			w.Header().Set("Proxy-Status", "carillon; error="+reason)
			w.WriteHeader(code)
		},
	}
}

// quiet drops what net/http would print about other people's connections.
func quiet() *log.Logger { return slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug) }

func (p *Proxy) forwardFor(w http.ResponseWriter, r *http.Request, v *visit) {
	ctx, cancel := context.WithTimeout(r.Context(), p.limits.Lifetime)
	defer cancel()
	defer context.AfterFunc(v.pass.life, cancel)()
	r = r.WithContext(context.WithValue(ctx, visitKey{}, v))
	r.Body = &counted{ReadCloser: http.MaxBytesReader(w, r.Body, p.limits.Bytes), count: &v.sent}
	p.forward.ServeHTTP(&countedWriter{ResponseWriter: w, count: &v.received, left: p.limits.Bytes}, r)
}

type visitKey struct{}

type counted struct {
	io.ReadCloser
	count *tally
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.count.add(n)
	return n, err
}

type countedWriter struct {
	http.ResponseWriter
	count *tally
	left  int64
}

func (c *countedWriter) Write(b []byte) (int, error) {
	if c.left -= int64(len(b)); c.left < 0 {
		return 0, tooLarge()
	}
	n, err := c.ResponseWriter.Write(b)
	c.count.add(n)
	return n, err
}

// Unwrap lets http.ResponseController flush.
func (c *countedWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
