package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/carillonhq/carillon/ports/social"
)

// committingKey marks the context of a call that the host armed. Its value is
// whether the irreversible request has begun.
type committingKey struct{}

func committing(ctx context.Context) context.Context {
	return context.WithValue(ctx, committingKey{}, new(atomic.Bool))
}

// begun notes that the irreversible request of a call is on its way.
func begun(ctx context.Context) {
	if b, ok := ctx.Value(committingKey{}).(*atomic.Bool); ok {
		b.Store(true)
	}
}

// unreached is the fault of a request outside Commit that brought no answer. It
// may be repeated, and so may the step, unless the call is armed and the
// request may have been the one that counts, or came after it.
func unreached(req *http.Request, err error) error {
	b, armed := req.Context().Value(committingKey{}).(*atomic.Bool)
	read := req.Method == http.MethodGet || req.Method == http.MethodHead
	return lost(err, armed && (!read || b.Load()))
}

// answered is res with a body whose failures are faults, too.
func answered(req *http.Request, res *http.Response) *http.Response {
	if _, both := res.Body.(io.Writer); !both { // a switched protocol
		res.Body = body{res.Body, req}
	}
	return res
}

type body struct {
	io.ReadCloser
	req *http.Request
}

// Read implements io.Reader.
func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = unreached(b.req, err)
	}
	return n, err
}

// tunnelled explains why the egress proxy opened no way to a host.
func tunnelled(_ context.Context, _ *url.URL, req *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	return denied(strings.TrimSuffix(req.Host, ":443"), res)
}

// denied is the egress proxy's refusal in the author's words.
func denied(host string, res *http.Response) error {
	if res.StatusCode == http.StatusProxyAuthRequired {
		return fmt.Errorf("the request to %s was made without its call's context, or after that call: pass the context on", host)
	}
	switch reason := strings.TrimPrefix(res.Header.Get("Proxy-Status"), proxyStatus); reason {
	case "http_request_denied":
		return fmt.Errorf("%s is not in the plugin's manifest: egress does not list it, or it is asked for by http", host)
	case "":
		return fmt.Errorf("the egress proxy answered %d for %s", res.StatusCode, host)
	default:
		return fmt.Errorf("the egress proxy did not reach %s: %s", host, reason)
	}
}

// Cause is why a request brought no answer, for the host's log: without its
// address, whose path or query may hold secrets.
func Cause(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	if f := (*social.Fault)(nil); errors.As(err, &f) && f.Err != nil {
		err = f.Err
	}
	return err
}
