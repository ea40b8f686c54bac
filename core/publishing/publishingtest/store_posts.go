package publishingtest

import (
	"context"
	"maps"
	"slices"
	"sort"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
)

func (tx *memTx) Post(_ context.Context, id publishing.PostID) (*publishing.Post, error) {
	p, ok := tx.st.posts[id]
	if !ok {
		return nil, fault.New(fault.NotFound, "post.not_found", "There is no such post.")
	}
	return clone(p), nil
}

func (tx *memTx) LockPost(ctx context.Context, id publishing.PostID) (*publishing.Post, error) {
	return tx.Post(ctx, id)
}

func (tx *memTx) Posts(_ context.Context, f publishing.Filter) ([]*publishing.Post, error) {
	var out []*publishing.Post
	for _, p := range tx.st.posts {
		if tx.matches(p, f) {
			out = append(out, clone(p))
		}
	}
	sort.Slice(out, func(i, j int) bool {
		if f.Reverse {
			i, j = j, i
		}
		if !f.From.IsZero() && !out[i].Schedule.At.Equal(out[j].Schedule.At) {
			return out[i].Schedule.At.Before(out[j].Schedule.At)
		}
		return (out[i].ID > out[j].ID) == f.From.IsZero()
	})
	if f.Limit > 0 && len(out) > f.Limit {
		out = out[:f.Limit]
	}
	return out, nil
}

func (tx *memTx) Calendar(ctx context.Context, f publishing.Filter) ([]publishing.Entry, error) {
	posts, err := tx.Posts(ctx, f)
	out := make([]publishing.Entry, len(posts))
	for i, p := range posts {
		first := p.Content.Parts[0]
		out[i] = publishing.Entry{ID: p.ID, State: p.State, At: p.Schedule.At, Zone: p.Schedule.Zone, Text: publishing.FirstLine(first.Text), Parts: len(p.Content.Parts)}
		if len(first.Media) > 0 {
			out[i].Media = first.Media[0].Media
		}
		for _, v := range p.Content.Variants {
			out[i].Channels = append(out[i].Channels, v.Channel)
		}
	}
	return out, err
}

func (tx *memTx) matches(p *publishing.Post, f publishing.Filter) bool {
	switch at := p.Schedule.At; {
	case f.After != "" && (p.ID == f.After || p.ID > f.After != f.Reverse),
		len(f.States) > 0 && !slices.Contains(f.States, p.State),
		f.AtRisk && !tx.atRisk(p),
		!f.From.IsZero() && (at.IsZero() || at.Before(f.From)),
		!f.To.IsZero() && (at.IsZero() || !at.Before(f.To)):
		return false
	}
	if f.Channel == "" {
		return true
	}
	return slices.ContainsFunc(p.Content.Variants, func(v publishing.Variant) bool { return v.Channel == f.Channel })
}

func (tx *memTx) Unknown(_ context.Context, refs publishing.Refs) (out publishing.Refs, err error) {
	for _, c := range refs.Channels {
		if tx.s.Gone[string(c)] {
			out.Channels = append(out.Channels, c)
		}
	}
	for _, m := range refs.Media {
		if tx.s.Gone[string(m)] {
			out.Media = append(out.Media, m)
		}
	}
	return out, nil
}

func (tx *memTx) SavePost(_ context.Context, p *publishing.Post) error {
	if err := p.Check(); err != nil {
		return err
	}
	old, ok := tx.st.posts[p.ID]
	if (ok && old.Version != p.Version) || (!ok && p.Version != 0) {
		return fault.New(fault.Conflict, publishing.StaleReason, "Somebody else changed this post.")
	}
	p.Version++
	p.UpdatedAt = tx.s.now()
	if !ok {
		p.CreatedAt = p.UpdatedAt
	}
	tx.st.posts[p.ID] = clone(p)
	return nil
}

func (tx *memTx) DeletePost(_ context.Context, id publishing.PostID) error {
	delete(tx.st.posts, id)
	maps.DeleteFunc(tx.st.deliveries, func(_ publishing.DeliveryID, d *publishing.Delivery) bool { return d.Post == id })
	return nil
}

func (tx *memTx) SetState(_ context.Context, id publishing.PostID, s publishing.State) error {
	p := clone(tx.st.posts[id])
	p.State = s
	tx.st.posts[id] = p
	return nil
}
