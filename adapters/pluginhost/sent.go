package pluginhost

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/stats"
)

type leftKey struct{}

// sentMark is a stats.Handler that notes in a call's context when its headers
// go out. A call that failed without it was provably never sent, which is the
// difference between trying again and having to find out.
type sentMark struct{}

var _ stats.Handler = sentMark{}

func (sentMark) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, out := s.(*stats.OutHeader); !out {
		return
	}
	if left, ok := ctx.Value(leftKey{}).(*atomic.Bool); ok {
		left.Store(true)
	}
}

func (sentMark) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (sentMark) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (sentMark) HandleConn(context.Context, stats.ConnStats)                       {}
