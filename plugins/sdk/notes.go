package sdk

import (
	"context"
	"net/http"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
)

// maxNotes bounds what one call tells of its upstream requests.
const maxNotes = 50

type notesKey struct{}

type notedKey struct{}

// NotedAs says under which path the requests of ctx are noted, for platforms
// that want a token in theirs.
func NotedAs(ctx context.Context, path string) context.Context {
	return context.WithValue(ctx, notedKey{}, path)
}

// notes collects the upstream requests of one call. The host makes spans and
// metrics of them, so a plugin needs neither.
type notes struct {
	mu    sync.Mutex
	calls []*pb.Upstream
}

// note records a request in the call it was made for, if it was made for one.
// The path goes without its query, which may hold secrets.
func note(ctx context.Context, req *http.Request, res *http.Response, start time.Time) {
	n, ok := ctx.Value(notesKey{}).(*notes)
	if !ok {
		return
	}
	u := &pb.Upstream{
		Host: req.URL.Host, Method: req.Method, Path: req.URL.Path,
		StartedAt: timestamppb.New(start), Took: durationpb.New(time.Since(start)), BytesOut: max(0, req.ContentLength),
	}
	if path, ok := ctx.Value(notedKey{}).(string); ok {
		u.Path = path
	}
	if len(u.Path) > 200 {
		u.Path = u.Path[:200]
	}
	if res != nil {
		u.Status, u.BytesIn, u.RequestId = int64(res.StatusCode), max(0, res.ContentLength), res.Header.Get("X-Request-Id")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.calls) < maxNotes {
		n.calls = append(n.calls, u)
	}
}

// attach puts the notes in m's field of that name, if it has one.
func (n *notes) attach(m proto.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := m.ProtoReflect()
	f := r.Descriptor().Fields().ByName("notes")
	if f != nil && len(n.calls) > 0 {
		r.Set(f, protoValue(&pb.Notes{Calls: n.calls}))
	}
}
