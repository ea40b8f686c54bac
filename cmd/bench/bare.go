package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillonhq/carillon/adapters/httpapi/client"
	"github.com/carillonhq/carillon/core/publishing"
)

// serveBare is the baseline of the read path: the same page of posts as the
// same JSON, by Fiber and pgx with nothing between them. It asks nobody who
// they are, knows no limits and no row-level security, and reads all it needs
// in one round trip of prepared statements.
func serveBare(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: bench bare ADDR, with DATABASE_URL")
	}
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL")+"&pool_max_conns=16")
	if err != nil {
		return err
	}
	defer pool.Close()
	app := fiber.New(fiber.Config{DisableStartupMessage: true, Immutable: true})
	app.Get("/readyz", func(c *fiber.Ctx) error { return c.SendStatus(fiber.StatusOK) })
	app.Get("/posts", func(c *fiber.Ctx) error {
		page, err := barePage(c.Context(), pool, c.Get("Carillon-Tenant"), c.QueryInt("limit", 20))
		if err != nil {
			return err
		}
		return c.JSON(page)
	})
	go func() { <-ctx.Done(); _ = app.Shutdown() }()
	return app.Listen(args[0])
}

const barePosts = `select post_id, state, content, local_time, timezone, publish_at, created_by, version, created_at, updated_at
	from posts where tenant_id = $1 order by post_id desc limit $2`

const bareDeliveries = `select delivery_id, post_id, channel_id from deliveries
	where tenant_id = $1 and post_id in (select post_id from posts where tenant_id = $1 order by post_id desc limit $2) order by delivery_id`

const bareSegments = `select delivery_id, state, ref, problem from segments
	where tenant_id = $1 and post_id in (select post_id from posts where tenant_id = $1 order by post_id desc limit $2)
	order by delivery_id, position`

// bareList is a page while its answers come in.
type bareList struct {
	client.PostList
	limit int
	at    map[string]int // where each post is
	of    map[string]*client.DeliverySummary
}

func barePage(ctx context.Context, pool *pgxpool.Pool, tenant string, limit int) (*client.PostList, error) {
	l := &bareList{PostList: client.PostList{Data: make([]client.Post, 0, limit)}, limit: limit, at: make(map[string]int, limit), of: make(map[string]*client.DeliverySummary, limit)}
	b := new(pgx.Batch)
	b.Queue(barePosts, tenant, limit+1).Query(l.posts)
	b.Queue(bareDeliveries, tenant, limit).Query(l.deliveries)
	b.Queue(bareSegments, tenant, limit).Query(l.segments)
	return &l.PostList, pool.SendBatch(ctx, b).Close()
}

func (l *bareList) posts(rows pgx.Rows) error {
	for rows.Next() {
		p, err := barePost(rows)
		if err != nil {
			return err
		}
		if len(l.Data) == l.limit {
			l.HasMore = true
			continue
		}
		l.at[p.Id] = len(l.Data)
		l.Data = append(l.Data, p)
	}
	return rows.Err()
}

func (l *bareList) deliveries(rows pgx.Rows) error {
	for rows.Next() {
		var id, post, channel string
		if err := rows.Scan(&id, &post, &channel); err != nil {
			return err
		}
		p := &l.Data[l.at[post]]
		p.Deliveries = append(make([]client.DeliverySummary, 0, 1), append(p.Deliveries, client.DeliverySummary{Id: id, ChannelId: channel})...)
		l.of[id] = &p.Deliveries[len(p.Deliveries)-1]
	}
	return rows.Err()
}

func (l *bareList) segments(rows pgx.Rows) error {
	for rows.Next() {
		var id, state string
		var ref *struct{ URL *string }
		var problem *publishing.Problem
		if err := rows.Scan(&id, &state, &ref, &problem); err != nil {
			return err
		}
		d := l.of[id]
		if d.State = state; ref != nil {
			d.Url = ref.URL
		}
		if problem != nil {
			d.Reason = &problem.Reason
		}
	}
	return rows.Err()
}

func barePost(rows pgx.Rows) (client.Post, error) {
	p := client.Post{Object: "post", Deliveries: []client.DeliverySummary{}}
	var content []byte
	var state, local, zone string
	var due *time.Time
	if err := rows.Scan(&p.Id, &state, &content, &local, &zone, &due, &p.CreatedBy, &p.Version, &p.CreatedAt, &p.UpdatedAt); err != nil {
		return p, err
	}
	var c publishing.Content
	if err := json.Unmarshal(content, &c); err != nil {
		return p, fmt.Errorf("content of %s: %w", p.Id, err)
	}
	p.State, p.ContentHash = client.PostState(state), c.Hash()
	for _, part := range c.Parts {
		p.Segments = append(p.Segments, client.Segment{Text: part.Text})
	}
	for _, v := range c.Variants {
		p.Channels = append(p.Channels, client.Variant{ChannelId: string(v.Channel)})
	}
	if due != nil {
		p.Schedule = &client.Schedule{PublishAt: due.UTC(), LocalTime: &local, Timezone: &zone}
	}
	return p, nil
}
