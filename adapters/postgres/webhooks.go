package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/core/events"
	names "github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/ports/fault"
)

type endpointRow struct {
	bun.BaseModel `bun:"table:webhook_endpoints,alias:w"`

	ID           string                `bun:"id"`
	URL          string                `bun:"url"`
	Description  string                `bun:"description"`
	Types        []string              `bun:"types,array"`
	State        string                `bun:"state"`
	Reason       string                `bun:"reason"`
	APIVersion   string                `bun:"api_version"`
	Secrets      []events.SealedSecret `bun:"secrets,type:jsonb"`
	FailingSince time.Time             `bun:"failing_since,nullzero"`
	Version      int                   `bun:"version"`
	CreatedAt    time.Time             `bun:"created_at"`
}

const endpointColumns = "w.id, w.url, w.description, w.types, w.state, w.reason, w.api_version::text as api_version, " +
	"w.secrets, w.failing_since, w.version, w.created_at"

func (tx eventTx) Endpoint(ctx context.Context, eid events.EndpointID) (*events.Endpoint, error) {
	var r endpointRow
	err := tx.find((*endpointRow)(nil)).ColumnExpr(endpointColumns).Where("w.id = ?", string(eid)).Scan(ctx, &r)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noEndpoint().Because(err)
	}
	if err != nil {
		return nil, err
	}
	return r.endpoint(), nil
}

// endpointLock makes those who add endpoints to a tenant take turns.
const endpointLock = 7_226_046

func (tx eventTx) CountEndpoints(ctx context.Context) (int, error) {
	if err := tx.inTurn(ctx, endpointLock); err != nil {
		return 0, err
	}
	n, err := tx.find((*endpointRow)(nil)).Count(ctx)
	return int(n), err
}

func (tx eventTx) Endpoints(ctx context.Context) ([]events.Endpoint, error) {
	var rows []endpointRow
	if err := tx.find((*endpointRow)(nil)).ColumnExpr(endpointColumns).OrderExpr("w.id").Scan(ctx, &rows); err != nil {
		return nil, err
	}
	all := make([]events.Endpoint, 0, len(rows))
	for i := range rows {
		all = append(all, *rows[i].endpoint())
	}
	return all, nil
}

func (tx eventTx) SaveEndpoint(ctx context.Context, e *events.Endpoint) error {
	if err := e.Check(); err != nil {
		return err
	}
	r := rowOfEndpoint(e)
	r.Version++
	var res sql.Result
	var err error
	if e.Version == 0 {
		res, err = tx.NewInsert().Model(r).Exec(ctx)
	} else {
		res, err = tx.change(r).Where("w.id = ? and w.version = ?", r.ID, e.Version).Exec(ctx)
	}
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return fault.New(fault.Conflict, "webhook.stale", "Someone else changed this endpoint.").Because(err)
	}
	e.Version++
	return nil
}

func (tx eventTx) DeleteEndpoint(ctx context.Context, eid events.EndpointID) error {
	res, err := tx.remove((*endpointRow)(nil)).Where("w.id = ?", string(eid)).Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return noEndpoint().Because(err)
	}
	return nil
}

func noEndpoint() *fault.Error {
	return fault.New(fault.NotFound, "webhook.not_found", "There is no such endpoint.")
}

func (r *endpointRow) endpoint() *events.Endpoint {
	e := &events.Endpoint{
		ID: events.EndpointID(r.ID), URL: r.URL, Description: r.Description, State: events.EndpointState(r.State),
		Reason: events.DisabledReason(r.Reason), APIVersion: r.APIVersion, Secrets: r.Secrets,
		FailingSince: r.FailingSince.UTC(), CreatedAt: r.CreatedAt.UTC(), Version: r.Version,
	}
	for _, t := range r.Types {
		e.Types = append(e.Types, events.Filter(t))
	}
	return e
}

func rowOfEndpoint(e *events.Endpoint) *endpointRow {
	r := &endpointRow{
		ID: string(e.ID), URL: e.URL, Description: e.Description, Types: []string{}, State: string(e.State),
		Reason: string(e.Reason), APIVersion: e.APIVersion, Secrets: e.Secrets,
		FailingSince: e.FailingSince, CreatedAt: e.CreatedAt, Version: e.Version,
	}
	for _, t := range e.Types {
		r.Types = append(r.Types, string(t))
	}
	return r
}

type deliveryRow struct {
	bun.BaseModel `bun:"table:webhook_deliveries,alias:d"`

	ID        string           `bun:"id"`
	Endpoint  string           `bun:"endpoint_id"`
	Event     string           `bun:"event_id"`
	Type      string           `bun:"type"`
	Replay    string           `bun:"replay"`
	State     string           `bun:"state"`
	Attempts  int              `bun:"attempts"`
	NextAt    time.Time        `bun:"next_at,nullzero"`
	Status    int              `bun:"status"`
	Excerpt   string           `bun:"excerpt"`
	Log       []events.Attempt `bun:"log,type:jsonb"`
	CreatedAt time.Time        `bun:"created_at"`
}

func (tx eventTx) AddDelivery(ctx context.Context, d *events.Delivery) (bool, error) {
	res, err := tx.NewInsert().Model(rowOfDelivery(d)).On("conflict (tenant_id, endpoint_id, event_id, replay) do nothing").Exec(ctx)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	return true, tx.deliver(ctx, d)
}

func (tx eventTx) AddJob(ctx context.Context, d *events.Delivery) error {
	if _, err := tx.NewInsert().Model(rowOfDelivery(d)).Exec(ctx); err != nil {
		return err
	}
	return tx.name(ctx, names.ID(d.Replay), "webhook.redelivery", string(d.ID), tx.try(d), nil)
}

// deliver asks for the next try of d. The first is due now: River starts a job
// that names a time, even a past one, seconds late. A job with a name keeps it.
func (tx eventTx) deliver(ctx context.Context, d *events.Delivery) error {
	var opts *river.InsertOpts
	if d.Attempts > 0 {
		opts = &river.InsertOpts{ScheduledAt: d.NextAt}
	}
	if d.Attempts == 0 || d.Replay == "" {
		return tx.enqueue(ctx, tx.try(d), opts)
	}
	res, err := tx.db.jobs.InsertTx(ctx, tx.pgx, tx.try(d), jobs.Named(names.ID(d.Replay), opts))
	if err != nil {
		return err
	}
	_, err = tx.change((*jobRow)(nil)).Set("queue_id = ?", res.Job.ID).
		Where("j.job_id = ? and j.type = 'webhook.redelivery' and j.subject = ?", d.Replay, string(d.ID)).Exec(ctx)
	return err
}

// try is the next try of d.
func (tx eventTx) try(d *events.Delivery) jobs.WebhookDeliver {
	return jobs.WebhookDeliver{Tenant: string(tx.tenant), Delivery: string(d.ID), Attempt: d.Attempts + 1}
}

func (tx eventTx) Delivery(ctx context.Context, did events.DeliveryID) (*events.Delivery, error) {
	var r deliveryRow
	err := tx.find(&r).Where("d.id = ?", string(did)).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noDelivery().Because(err)
	}
	if err != nil {
		return nil, err
	}
	return r.delivery(), nil
}

func (tx eventTx) SaveDelivery(ctx context.Context, d *events.Delivery) error {
	res, err := tx.change(rowOfDelivery(d)).Where("d.id = ?", string(d.ID)).Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return noDelivery().Because(err)
	}
	if d.State != events.Pending {
		return nil
	}
	return tx.deliver(ctx, d)
}

func (tx eventTx) Deliveries(ctx context.Context, q events.DeliveryQuery) ([]events.Delivery, error) {
	var rows []deliveryRow
	sel := tx.find(&rows).Where("d.endpoint_id = ?", string(q.Endpoint))
	if q.State != "" {
		sel = sel.Where("d.state = ?", string(q.State))
	}
	if q.Before != "" {
		sel = sel.Where("d.id < ?", string(q.Before))
	}
	if err := sel.OrderExpr("d.id desc").Limit(int64(q.Limit)).Scan(ctx); err != nil {
		return nil, err
	}
	all := make([]events.Delivery, 0, len(rows))
	for i := range rows {
		all = append(all, *rows[i].delivery())
	}
	return all, nil
}

func (tx eventTx) ReplayFrom(ctx context.Context, r events.Replay) error {
	return tx.name(ctx, names.ID(r.ID), "webhook.replay", string(r.Endpoint), jobs.WebhookReplay{
		Tenant: string(tx.tenant), Replay: r.ID, Endpoint: string(r.Endpoint), Since: r.Since,
		After: string(r.After), Until: string(r.Until),
	}, nil)
}

func noDelivery() *fault.Error {
	return fault.New(fault.NotFound, "webhook.delivery_not_found", "There is no such delivery.")
}

func (r *deliveryRow) delivery() *events.Delivery {
	return &events.Delivery{
		ID: events.DeliveryID(r.ID), Endpoint: events.EndpointID(r.Endpoint), Event: events.ID(r.Event), Type: events.Type(r.Type),
		Replay: r.Replay, State: events.DeliveryState(r.State), Attempts: r.Attempts, NextAt: r.NextAt.UTC(),
		Status: r.Status, Excerpt: r.Excerpt, Log: r.Log, CreatedAt: r.CreatedAt.UTC(),
	}
}

func rowOfDelivery(d *events.Delivery) *deliveryRow {
	log := d.Log
	if log == nil {
		log = []events.Attempt{}
	}
	return &deliveryRow{
		ID: string(d.ID), Endpoint: string(d.Endpoint), Event: string(d.Event), Type: string(d.Type), Replay: d.Replay,
		State: string(d.State), Attempts: d.Attempts, NextAt: d.NextAt, Status: d.Status, Excerpt: d.Excerpt, Log: log, CreatedAt: d.CreatedAt,
	}
}
