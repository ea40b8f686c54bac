package postgres

import (
	"context"
	"slices"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/publishing"
)

// Lock implements media.Tx. Saves of posts hold the files that they name, see
// unknownSQL.
func (tx mediaTx) Lock(ctx context.Context, id media.ID) (*media.Media, error) {
	var r mediaRow
	if err := one(tx.find(&r).Where("m.id = ?", string(id)).For("update").Scan(ctx), media.ErrNotFound); err != nil {
		return nil, err
	}
	return r.media(), nil
}

// Uses implements media.Tx.
func (tx mediaTx) Uses(ctx context.Context, id media.ID, limit int) ([]string, error) {
	var used []string
	err := tx.NewRaw(`select distinct s.post_id from segments s, jsonb_array_elements(s.part->'media') m
		where ? and s.state not in ('live', 'rejected', 'missed', 'canceled') and m->>'media' = ?`, tx.ours("s"), string(id)).Scan(ctx, &used)
	if err != nil {
		return nil, err
	}
	drafts, err := tx.drafts(ctx, id)
	for _, p := range drafts {
		used = append(used, string(p.ID))
	}
	slices.Sort(used)
	return used[:min(len(used), limit)], err
}

// Detach implements media.Tx.
func (tx mediaTx) Detach(ctx context.Context, id media.ID) error {
	drafts, err := tx.drafts(ctx, id, func(q *bun.SelectQuery) *bun.SelectQuery { return q.For("update") })
	if err != nil {
		return err
	}
	posts := postTx{tx.tx, new(deferred)}
	for _, p := range drafts {
		if p.Content = p.Content.Without(id); p.Check() != nil { // nothing would be left of it
			continue
		}
		if err := posts.SavePost(ctx, p); err != nil {
			return err
		}
		if err := posts.Emit(ctx, "post.updated", string(p.ID), map[string]any{"state": p.State, "version": p.Version}); err != nil {
			return err
		}
	}
	return posts.end(ctx)
}

// drafts are those that show the file. The text of their content is looked
// through first: a name is long enough to be nothing else.
func (tx mediaTx) drafts(ctx context.Context, id media.ID, how ...func(*bun.SelectQuery) *bun.SelectQuery) ([]*publishing.Post, error) {
	var rows []postRow
	q := tx.find(&rows).Where("p.draft and position(? in p.content::text) > 0", string(id)).OrderExpr("p.post_id")
	for _, fn := range how {
		q = fn(q)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, err
	}
	var out []*publishing.Post
	for i := range rows {
		p, err := rows[i].post()
		if err != nil {
			return nil, err
		}
		if slices.Contains(p.Content.Refs().Media, id) {
			out = append(out, p)
		}
	}
	return out, nil
}

// Lament implements media.Tx.
func (tx mediaTx) Lament(ctx context.Context, id media.ID) error {
	return tx.emit(ctx, "media.failed", string(id), nil)
}
