package egress

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
)

// guard is the transport of a Client: it checks each hop, bounds its time and
// size, and gives what goes wrong a meaning.
type guard struct {
	policy  *Egress
	next    http.RoundTripper
	timeout time.Duration
	maxBody int64
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := g.policy.checkURL(req.URL); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), g.timeout)
	res, err := g.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, unreachable(req.Context(), err)
	}
	res.Body = &body{ReadCloser: res.Body, ctx: req.Context(), left: g.maxBody, cancel: cancel}
	return res, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections through.
func (g *guard) CloseIdleConnections() {
	if c, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// body ends after left bytes, and takes its hop's timer with it.
type body struct {
	io.ReadCloser
	ctx    context.Context //nolint:containedctx // the request's, to tell its end from ours
	left   int64
	cancel context.CancelFunc
}

func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, tooLarge()
	}
	if int64(len(p)) > b.left+1 { // one more than we pass on tells full from over
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, tooLarge()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = unreachable(b.ctx, err)
	}
	return n, err
}

func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

func tooLarge() error {
	return fault.New(fault.Unavailable, "egress.too_large", "The answer was too large.")
}
