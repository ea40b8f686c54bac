package sdk

import (
	"context"
	"net"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// DeadlineKey is the metadata that carries the instant at which the host gives
// a call up, in Unix nanoseconds. gRPC itself sends what is left of the time:
// a plugin that is suspended with a call in its socket would wake up and count
// from then, and send what its host has long looked up and sent again. Host
// and plugin share a machine and so a clock.
const DeadlineKey = "carillon-deadline"

// bounded gives a call the host's deadline.
func bounded(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if said := metadata.ValueFromIncomingContext(ctx, DeadlineKey); len(said) == 1 {
		if n, err := strconv.ParseInt(said[0], 10, 64); err == nil {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, time.Unix(0, n))
			defer cancel()
		}
	}
	return handle(ctx, req)
}

// timely is a connection on which nothing is sent after an instant, whenever
// this process gets to run again.
type timely struct {
	net.Conn
	until time.Time
}

// Write implements net.Conn.
func (c timely) Write(b []byte) (int, error) {
	if !time.Now().Before(c.until) {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Write(b)
}

// dialTimely makes connections of a commit timely ones.
func dialTimely(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if until, ok := ctx.Value(commitKey{}).(time.Time); ok && err == nil {
			c = timely{c, until}
		}
		return c, err
	}
}
