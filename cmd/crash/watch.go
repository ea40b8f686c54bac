package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/core/publishing"
)

// watch looks at the posts' states where they are kept, because the server is
// dead half of the time.
type watch struct {
	mu    sync.Mutex
	seen  map[string]seen // by post
	stop  context.CancelFunc
	ended chan struct{}
}

// seen is a post's state and since when it is one that waits for nobody.
type seen struct {
	state publishing.State
	since time.Time
}

// atRest are the states that a post stays in.
var atRest = []publishing.State{publishing.Published, publishing.PartlyFailed, publishing.PartlyCanceled, publishing.Failed, publishing.NeedsReview, publishing.Missed, publishing.Canceled}

func watchPosts(ctx context.Context, r *rig) *watch {
	ctx, stop := context.WithCancel(ctx)
	w := &watch{seen: map[string]seen{}, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		for ; ctx.Err() == nil; pause(ctx, 500*time.Millisecond) {
			_ = w.look(ctx, r.database) // the database may be away; it comes back
		}
	}()
	return w
}

func (w *watch) look(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for ; ctx.Err() == nil; pause(ctx, 500*time.Millisecond) {
		rows, err := conn.Query(ctx, "select post_id, state from posts")
		if err != nil {
			return err
		}
		now := time.Now()
		var id string
		var state publishing.State
		_, err = pgx.ForEachRow(rows, []any{&id, &state}, func() error { w.note(id, state, now); return nil })
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *watch) note(id string, state publishing.State, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before := w.seen[id]; before.state != state {
		w.seen[id] = seen{state, now}
	}
}

// settled waits until every promised post is at rest, or patience ends.
func (w *watch) settled(ctx context.Context, all []*written, patience time.Duration) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && ctx.Err() == nil; pause(ctx, 500*time.Millisecond) {
		if !slices.ContainsFunc(all, func(p *written) bool { return p.promised && !w.rests(p.id) }) {
			break
		}
	}
	w.stop()
	<-w.ended
}

func (w *watch) rests(id string) bool { return slices.Contains(atRest, w.of(id).state) }

func (w *watch) of(id string) seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[id]
}
