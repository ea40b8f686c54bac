package sdk

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// PaidTimeout bounds a paid request whose context has no deadline.
const PaidTimeout = 10 * time.Minute

// Payment sends the paid request of a vendor's commit step: what Commit is to
// a post, for answers that take minutes or stream. It is an HTTP client of one
// request; give it to the vendor's library in place of its own.
//
// Do sends on a fresh connection, with no redirect and no retry, and refuses
// a second request, so that no library can repeat it. Its error, and that of
// reading the answer, is a *social.Fault from the network: Transient if no
// connection came about, so that nothing was bought, and Ambiguous from then on.
type Payment struct {
	client *http.Client
	spent  atomic.Bool
}

// Pay is a Payment through client, which HTTPClient made.
func Pay(client *http.Client) *Payment { return &Payment{client: client} }

type paidKey struct{}

// Do sends req, once.
func (p *Payment) Do(req *http.Request) (*http.Response, error) {
	if p.spent.Swap(true) {
		f := social.Fail(social.Ambiguous, "plugin.paid_twice", "The vendor's plugin wanted to pay twice.")
		f.Source = social.FromPlugin
		return nil, f
	}
	ctx, cancel := context.WithTimeout(req.Context(), PaidTimeout)
	res, err := sendOnce(context.WithValue(ctx, paidKey{}, true), p.client, req)
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = &paidBody{res.Body, cancel}
	return res, nil
}

// paidBody ends the request with its answer, whose failures are faults.
type paidBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Read implements io.Reader.
func (b *paidBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = lost(err, true)
	}
	return n, err
}

// Close implements io.Closer.
func (b *paidBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// newPaidTransport sends single requests whose answer may begin late: a model
// that thinks says nothing meanwhile.
func newPaidTransport() *http.Transport {
	t := newTransport(true)
	t.ResponseHeaderTimeout = 0
	return t
}
