package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/id"
)

// filler makes a text of a usual length.
const filler = " Fresh bread at seven bells, and coffee from eight. Come by the harbour, we are the blue door beside the chandler. https://example.com/menu"

func text(tag string, i int) string { return fmt.Sprintf("%s-%d", tag, i) + filler }

// tagged reads text back.
func tagged(s string) string {
	name, _, _ := strings.Cut(s, " ")
	return name
}

// fill plans n posts of one segment in bulk, as the use cases would have. A
// measurement of ten thousand must not begin with ten thousand requests.
func (h *house) fill(ctx context.Context, p place, tag string, n int, due func(i int) time.Time) error {
	posts, deliveries, segments := make([][]any, n), make([][]any, n), make([][]any, n)
	for i := range n {
		part := publishing.Part{Text: text(tag, i)}
		c := publishing.Content{Parts: []publishing.Part{part}, Variants: []publishing.Variant{{Channel: p.channel}}}
		content, err := json.Marshal(c)
		if err != nil {
			return err
		}
		partJSON, err := json.Marshal(part)
		if err != nil {
			return err
		}
		post, dlv, seg, at := id.New("post"), id.New("dlv"), id.New("seg"), due(i)
		posts[i] = []any{string(p.tenant), post, "scheduled", content, at.UTC().Format(publishing.LocalLayout), "UTC", at, "system", 1}
		deliveries[i] = []any{string(p.tenant), dlv, post, string(p.channel), c.Hash(), at}
		segments[i] = []any{string(p.tenant), seg, dlv, post, string(p.channel), at, 0, partJSON, "scheduled", at}
	}
	return pgx.BeginFunc(ctx, h.Admin, func(tx pgx.Tx) error {
		for _, t := range []struct {
			name    string
			columns []string
			rows    [][]any
		}{
			{"posts", []string{"tenant_id", "post_id", "state", "content", "local_time", "timezone", "publish_at", "created_by", "version"}, posts},
			{"deliveries", []string{"tenant_id", "delivery_id", "post_id", "channel_id", "hash", "due_at"}, deliveries},
			{"segments", []string{"tenant_id", "segment_id", "delivery_id", "post_id", "channel_id", "due_at", "position", "part", "state", "next_at"}, segments},
		} {
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
		return nil
	})
}

// analyze does what autovacuum would have done by tomorrow.
func (h *house) analyze(ctx context.Context) error {
	_, err := h.Admin.Exec(ctx, "vacuum analyze")
	return err
}

// arrivals is when each tagged post reached the network, and how often.
type arrivals map[string][]time.Time

func (h *house) arrived(prefix string) arrivals {
	a := arrivals{}
	for _, o := range h.Network.Objects() {
		if tag := tagged(o.Text); strings.HasPrefix(tag, prefix+"-") {
			a[tag] = append(a[tag], o.CreatedAt)
		}
	}
	return a
}

// twice is how many arrived more than once.
func (a arrivals) twice() (n int) {
	for _, at := range a {
		if len(at) > 1 {
			n++
		}
	}
	return n
}

// awaitAll returns when n posts with a prefix are on the network, or at the
// deadline.
func (h *house) awaitAll(ctx context.Context, n int, deadline time.Time, prefixes ...string) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		have := 0
		for _, p := range prefixes {
			have += len(h.arrived(p))
		}
		if have >= n || time.Now().After(deadline) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
