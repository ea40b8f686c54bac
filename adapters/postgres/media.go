package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Media is the media.Store in this database.
func (db *DB) Media() media.Store { return mediaStore{db} }

type mediaStore struct{ db *DB }

func (s mediaStore) View(ctx context.Context, who tenants.ID, fn func(media.Tx) error) error {
	return s.db.view(ctx, who, func(_ context.Context, tx tx) error { return fn(mediaTx{tx}) })
}

func (s mediaStore) Update(ctx context.Context, who tenants.ID, fn func(media.Tx) error) error {
	return s.db.update(ctx, who, func(_ context.Context, tx tx) error { return fn(mediaTx{tx}) })
}

// StaleMedia lists up to limit tenants with files that were created before
// that time and are still not ready: those media.Service.Sweep has work for.
func (db *DB) StaleMedia(ctx context.Context, before time.Time, limit int) ([]tenants.ID, error) {
	var ids []tenants.ID
	err := db.system(ctx, pathStaleMedia, func(ctx context.Context, tx tx) error {
		return tx.NewRaw("select distinct tenant_id from media where state <> 'ready' and created_at < ? limit ?", before, limit).Scan(ctx, &ids)
	})
	return ids, err
}

// mediaRow is a row of media. tenant_id is absent on purpose: the database
// fills it in and filters on it.
type mediaRow struct {
	bun.BaseModel `bun:"table:media,alias:m"`

	ID        string    `bun:"id"`
	Kind      string    `bun:"kind"`
	MIME      string    `bun:"mime"`
	Bytes     int64     `bun:"bytes"`
	SHA256    string    `bun:"sha256"`
	Width     int       `bun:"width"`
	Height    int       `bun:"height"`
	Alt       string    `bun:"alt"`
	Name      string    `bun:"name"`
	State     string    `bun:"state"`
	CreatedBy string    `bun:"created_by"`
	CreatedAt time.Time `bun:"created_at"`
	Version   int       `bun:"version"`
}

func mediaRowOf(m *media.Media) *mediaRow {
	return &mediaRow{
		ID: string(m.ID), Kind: string(m.Kind), MIME: m.MIME, Bytes: m.Bytes, SHA256: m.SHA256,
		Width: m.Width, Height: m.Height, Alt: m.Alt, Name: m.Name, State: string(m.State),
		CreatedBy: m.CreatedBy, CreatedAt: m.CreatedAt, Version: m.Version,
	}
}

func (r *mediaRow) media() *media.Media {
	return &media.Media{
		ID: media.ID(r.ID), Kind: social.MediaKind(r.Kind), MIME: r.MIME, Bytes: r.Bytes, SHA256: r.SHA256,
		Width: r.Width, Height: r.Height, Alt: r.Alt, Name: r.Name, State: media.State(r.State),
		CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt.UTC(), Version: r.Version,
	}
}

type mediaTx struct{ tx }

func (tx mediaTx) Media(ctx context.Context, id media.ID) (*media.Media, error) {
	var r mediaRow
	err := tx.find(&r).Where("m.id = ?", string(id)).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, media.ErrNotFound().Because(err)
	}
	if err != nil {
		return nil, err
	}
	return r.media(), nil
}

func (tx mediaTx) Some(ctx context.Context, ids []media.ID) ([]*media.Media, error) {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = string(id)
	}
	return tx.rows(ctx, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("m.id = any(?::text[])", pgdialect.Array(names))
	})
}

func (tx mediaTx) Page(ctx context.Context, before media.ID, limit int) ([]*media.Media, error) {
	return tx.rows(ctx, func(q *bun.SelectQuery) *bun.SelectQuery {
		if before != "" {
			q = q.Where("m.id < ?", string(before))
		}
		return q.Where("m.state = 'ready'").OrderExpr("m.id desc").Limit(int64(limit))
	})
}

func (tx mediaTx) Stale(ctx context.Context, before time.Time, limit int) ([]*media.Media, error) {
	return tx.rows(ctx, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("m.state <> 'ready' and m.created_at < ?", before).OrderExpr("m.created_at").Limit(int64(limit))
	})
}

func (tx mediaTx) rows(ctx context.Context, pick func(*bun.SelectQuery) *bun.SelectQuery) ([]*media.Media, error) {
	var rows []mediaRow
	if err := pick(tx.find(&rows)).Scan(ctx); err != nil {
		return nil, err
	}
	var files []*media.Media
	for i := range rows {
		files = append(files, rows[i].media())
	}
	return files, nil
}

func (tx mediaTx) Save(ctx context.Context, m *media.Media) error {
	if err := m.Check(); err != nil {
		return err
	}
	r := mediaRowOf(m)
	r.Version++
	var res sql.Result
	var err error
	if m.Version == 0 {
		res, err = tx.NewInsert().Model(r).On("conflict do nothing").Exec(ctx)
	} else {
		res, err = tx.change(r).Where("m.id = ? and m.version = ?", r.ID, m.Version).Exec(ctx)
	}
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return media.ErrStale().Because(err)
	}
	m.Version = r.Version
	return nil
}

func (tx mediaTx) Drop(ctx context.Context, id media.ID) error {
	_, err := tx.remove((*mediaRow)(nil)).Where("m.id = ?", string(id)).Exec(ctx)
	return err
}

func (tx mediaTx) Announce(ctx context.Context, m *media.Media) error {
	return tx.emit(ctx, "media.ready", string(m.ID), nil)
}
