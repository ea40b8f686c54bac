package sdk

import (
	"context"
	"net/http"
	"net/url"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// ProxyKey is the metadata that carries the proxy for the requests of one call,
// in place of HTTPS_PROXY: one process serves all tenants, and the host wants
// to know on whose behalf it is asked. The URL is a secret of that call and of
// no use after it.
const ProxyKey = "carillon-proxy"

// outlet is the way out of one call: its own proxy, and connections that no
// other call shares. net/http would share them, HTTP/2 even across proxies.
type outlet struct {
	proxy *url.URL

	mu    sync.Mutex
	reads *http.Transport
	over  bool
}

type outletKey struct{}

// led gives a call the way out that the host named for it.
func led(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if said := metadata.ValueFromIncomingContext(ctx, ProxyKey); len(said) == 1 {
		if proxy, err := url.Parse(said[0]); err == nil && proxy.Host != "" {
			o := &outlet{proxy: proxy}
			defer o.close()
			ctx = context.WithValue(ctx, outletKey{}, o)
		}
	}
	return handle(ctx, req)
}

// outletOf is the way out of the call that ctx is of, nil if it has none of its
// own.
func outletOf(ctx context.Context) *outlet {
	o, _ := ctx.Value(outletKey{}).(*outlet)
	return o
}

// transport is for the requests of this call that may be repeated.
func (o *outlet) transport() http.RoundTripper {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reads == nil {
		o.reads = newTransport(false)
		o.reads.DisableKeepAlives = o.over // nobody would close what it keeps
	}
	return o.reads
}

func (o *outlet) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over = true; o.reads != nil {
		o.reads.CloseIdleConnections()
	}
}
