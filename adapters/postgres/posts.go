package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/core/channels"
	names "github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Posts is the publishing.Store in this database.
func (db *DB) Posts() publishing.Store { return posts{db} }

type posts struct{ db *DB }

func (s posts) View(ctx context.Context, who tenants.ID, fn func(context.Context, publishing.Tx) error) error {
	return s.db.view(ctx, who, func(ctx context.Context, tx tx) error { return fn(ctx, postTx{tx, new(deferred)}) })
}

func (s posts) Update(ctx context.Context, who tenants.ID, fn func(context.Context, publishing.Tx) error) error {
	return s.db.update(ctx, who, func(ctx context.Context, tx tx) error {
		p := postTx{tx, new(deferred)}
		if err := fn(ctx, p); err != nil {
			return err
		}
		return p.end(ctx)
	})
}

// postTx implements publishing.Tx. What it writes of segments, attempts and
// events goes out with the next read, or at the end.
type postTx struct {
	tx
	later *deferred
}

// postRow is a row of posts. tenant_id is absent on purpose: the database
// fills it in and filters on it.
type postRow struct {
	bun.BaseModel `bun:"table:posts,alias:p"`

	ID        string          `bun:"post_id,pk"`
	State     string          `bun:"state"`
	Content   json.RawMessage `bun:"content,type:jsonb"`
	Local     string          `bun:"local_time"`
	Zone      string          `bun:"timezone"`
	PublishAt time.Time       `bun:"publish_at,nullzero"`
	CreatedBy string          `bun:"created_by"`
	Version   int             `bun:"version"`
	CreatedAt time.Time       `bun:"created_at,nullzero,default:now()"`
	UpdatedAt time.Time       `bun:"updated_at,nullzero,default:now()"`
}

func (r *postRow) post() (*publishing.Post, error) {
	p := &publishing.Post{
		ID: publishing.PostID(r.ID), State: publishing.State(r.State),
		Schedule:  publishing.Schedule{Local: r.Local, Zone: r.Zone, At: r.PublishAt},
		CreatedBy: r.CreatedBy, Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	return p, json.Unmarshal(r.Content, &p.Content)
}

func rowOfPost(p *publishing.Post) (*postRow, error) {
	content, err := json.Marshal(p.Content)
	return &postRow{
		ID: string(p.ID), State: string(p.State), Content: content,
		Local: p.Schedule.Local, Zone: p.Schedule.Zone, PublishAt: p.Schedule.At,
		CreatedBy: p.CreatedBy, Version: p.Version + 1,
	}, err
}

func (tx postTx) Now(ctx context.Context) (now time.Time, err error) {
	err = tx.NewRaw("select clock_timestamp()").Scan(ctx, &now)
	return now, err
}

func (tx postTx) Post(ctx context.Context, id publishing.PostID) (*publishing.Post, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	r := new(postRow)
	return onePost(r, tx.find(r).Where("p.post_id = ?", string(id)).Scan(ctx))
}

func (tx postTx) LockPost(ctx context.Context, id publishing.PostID) (*publishing.Post, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	r := new(postRow)
	p, err := onePost(r, tx.find(r).Where("p.post_id = ?", string(id)).For("update").Scan(ctx))
	if err != nil {
		return nil, err
	}
	b := new(pgx.Batch)
	tx.queue(b, lockSegmentsSQL, id)
	return p, tx.pgx.SendBatch(ctx, b).Close()
}

func onePost(r *postRow, err error) (*publishing.Post, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "post.not_found", "There is no such post.")
	}
	if err != nil {
		return nil, err
	}
	return r.post()
}

func (tx postTx) SavePost(ctx context.Context, p *publishing.Post) error {
	if err := tx.flush(ctx); err != nil {
		return err
	}
	if err := p.Check(); err != nil {
		return err
	}
	r, err := rowOfPost(p)
	if err != nil {
		return err
	}
	var res sql.Result
	if p.Version == 0 {
		res, err = tx.NewInsert().Model(r).Returning("created_at, updated_at").Exec(ctx)
	} else {
		res, err = tx.change(r).ExcludeColumn("post_id", "created_at", "created_by", "updated_at").Set("updated_at = now()").
			Where("post_id = ? and version = ?", r.ID, p.Version).Returning("created_at, updated_at").Exec(ctx)
	}
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return fault.New(fault.Conflict, publishing.StaleReason, "Somebody else changed this post.").Because(err)
	}
	p.Version, p.CreatedAt, p.UpdatedAt = r.Version, r.CreatedAt, r.UpdatedAt
	return nil
}

// unknownSQL leaves files that are there locked: whoever deletes one waits, and
// then finds the post that shows it.
const unknownSQL = `
	with held as (
		select m.id from media m where {m} and m.id = any ($3::text[]) and m.state = 'ready' for share),
	asked as (
		select 'channel' as kind, c as id from unnest($2::text[]) c
		 where not exists (select from channels ch where {ch} and ch.id = c)
		union all
		select 'media', f from unnest($3::text[]) f where f not in (select id from held))
	select kind, id from asked where $1::text is not null order by kind, id`

func (tx postTx) Unknown(ctx context.Context, refs publishing.Refs) (out publishing.Refs, err error) {
	rows, err := tx.query(ctx, unknownSQL, refs.Channels, refs.Media)
	if err != nil {
		return out, err
	}
	var kind, id string
	_, err = pgx.ForEachRow(rows, []any{&kind, &id}, func() error {
		if kind == "channel" {
			out.Channels = append(out.Channels, channels.ID(id))
		} else {
			out.Media = append(out.Media, media.ID(id))
		}
		return nil
	})
	return out, err
}

func (tx postTx) DeletePost(ctx context.Context, id publishing.PostID) error {
	if err := tx.flush(ctx); err != nil {
		return err
	}
	_, err := tx.remove((*postRow)(nil)).Where("post_id = ?", string(id)).Exec(ctx)
	return err
}

// dispatchChannel is notified when something is due now.
const dispatchChannel = "carillon_due"

func (tx postTx) WakeDispatch(context.Context) error {
	return tx.defers("select pg_notify($2::text, '') where $1::text is not null", dispatchChannel)
}

func (tx postTx) RefreshMetrics(ctx context.Context, post publishing.PostID, job string) error {
	args := jobs.RefreshMetrics{Tenant: tx.tenant, Post: post}
	if job == "" {
		return tx.enqueueIn(ctx, &tx.later.batch, args)
	}
	return tx.name(ctx, names.ID(job), "metrics.refresh", string(post), args, nil)
}

func (tx postTx) FollowUp(ctx context.Context, post publishing.PostID, after time.Duration) error {
	return tx.enqueue(ctx, jobs.FollowUp{Tenant: tx.tenant, Post: post}, &river.InsertOpts{ScheduledAt: time.Now().Add(after)})
}

func (tx postTx) Blocked(ctx context.Context, chs ...channels.ID) (map[channels.ID]publishing.Block, error) {
	reasons, err := queue{db: tx.db}.blocked(ctx, tx.tenant, chs)
	if err != nil {
		return nil, err
	}
	return tx.told(ctx, reasons)
}

// settingsRow is a row of publishing_settings.
type settingsRow struct {
	bun.BaseModel `bun:"table:publishing_settings,alias:ps"`

	MissedAfter int `bun:"missed_after_s"`
}

func (r settingsRow) settings() publishing.Settings {
	return publishing.Settings{MissedAfter: time.Duration(r.MissedAfter) * time.Second}
}

func (tx postTx) Settings(ctx context.Context) (publishing.Settings, error) {
	var r settingsRow
	err := tx.find(&r).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return publishing.DefaultSettings, nil
	}
	return r.settings(), err
}

func (tx postTx) SaveSettings(ctx context.Context, s publishing.Settings) error {
	r := &settingsRow{MissedAfter: int(s.MissedAfter / time.Second)}
	_, err := tx.NewInsert().Model(r).On("conflict (tenant_id) do update").Set("missed_after_s = excluded.missed_after_s").Exec(ctx)
	return err
}
