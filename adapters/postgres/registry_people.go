package postgres

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

type invitationRow struct {
	bun.BaseModel `bun:"table:invitations"`

	ID         string    `bun:"id"`
	Email      string    `bun:"email"`
	Role       string    `bun:"role"`
	State      string    `bun:"state"`
	InvitedBy  string    `bun:"invited_by"`
	Actor      string    `bun:"actor"`
	Hashes     [][]byte  `bun:"hashes,array"`
	Sent       int       `bun:"sent"`
	SentAt     time.Time `bun:"sent_at"`
	ExpiresAt  time.Time `bun:"expires_at"`
	AcceptedBy string    `bun:"accepted_by"`
	ClosedAt   time.Time `bun:"closed_at,nullzero"`
	Version    int       `bun:"version"`
	CreatedAt  time.Time `bun:"created_at"`
	UpdatedAt  time.Time `bun:"updated_at"`
}

func invitationToRow(i *registry.Invitation) *invitationRow {
	hashes := make([][]byte, len(i.Hashes))
	for n, h := range i.Hashes {
		hashes[n] = h[:]
	}
	return &invitationRow{
		ID: string(i.ID), Email: i.Email, Role: string(i.Role), State: string(i.State), InvitedBy: string(i.InvitedBy), Actor: i.Actor,
		Hashes: hashes, Sent: i.Sent, SentAt: i.SentAt, ExpiresAt: i.ExpiresAt, AcceptedBy: string(i.AcceptedBy), ClosedAt: i.ClosedAt,
		Version: i.Version, CreatedAt: i.CreatedAt, UpdatedAt: i.UpdatedAt,
	}
}

func (r *invitationRow) invitation() *registry.Invitation {
	i := &registry.Invitation{
		ID: registry.InvitationID(r.ID), Email: r.Email, Role: tenants.Role(r.Role), State: registry.InvitationState(r.State),
		InvitedBy: tenants.UserID(r.InvitedBy), Actor: r.Actor, Sent: r.Sent, SentAt: r.SentAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
		AcceptedBy: tenants.UserID(r.AcceptedBy), Version: r.Version, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	if !r.ClosedAt.IsZero() {
		i.ClosedAt = r.ClosedAt.UTC()
	}
	for _, h := range r.Hashes {
		if len(h) == len(registry.Hash{}) {
			i.Hashes = append(i.Hashes, registry.Hash(h))
		}
	}
	return i
}

func (tx registryTx) Invitation(ctx context.Context, name registry.InvitationID) (*registry.Invitation, error) {
	var r invitationRow
	if err := one(tx.find(&r).Where("id = ?", string(name)).Scan(ctx), missingInvitation); err != nil {
		return nil, err
	}
	return r.invitation(), nil
}

func (tx registryTx) OpenInvitation(ctx context.Context, email string) (*registry.Invitation, error) {
	var r invitationRow
	if err := one(tx.find(&r).Where("email = ?", email).Where("state = 'pending'").Scan(ctx), missingInvitation); err != nil {
		return nil, err
	}
	return r.invitation(), nil
}

func (tx registryTx) MemberAt(ctx context.Context, email string) (is bool, err error) {
	err = tx.NewRaw("select member_at(?)", email).Scan(ctx, &is)
	return is, err
}

func (tx registryTx) Invitations(ctx context.Context, before registry.InvitationID, limit int) ([]registry.Invitation, error) {
	var rows []invitationRow
	if err := tx.find(&rows).Where("? = '' or id < ?", string(before), string(before)).Order("id DESC").Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, err
	}
	out := make([]registry.Invitation, len(rows))
	for i := range rows {
		out[i] = *rows[i].invitation()
	}
	return out, nil
}

func (tx registryTx) SaveInvitation(ctx context.Context, i *registry.Invitation) error {
	if err := i.Check(); err != nil {
		return err
	}
	r := invitationToRow(i)
	r.Version++
	if i.Version == 0 {
		if _, err := tx.NewInsert().Model(r).Exec(ctx); err != nil {
			return err
		}
	} else {
		res, err := tx.change(r).ExcludeColumn("id", "created_at").
			Where("id = ?", r.ID).Where("version = ?", i.Version).Exec(ctx)
		if err := hit(res, err, staleInvitation); err != nil {
			return err
		}
	}
	i.Version++
	return nil
}

// Send puts the letter in the queue of this transaction.
func (tx registryTx) Send(ctx context.Context, l registry.Letter) error {
	return tx.enqueue(ctx, jobs.Invite{Tenant: string(tx.tenant), Invitation: string(l.Invitation), Number: l.Number}, nil)
}

// Notify puts the notice in the queue of this transaction.
func (tx registryTx) Notify(ctx context.Context, n registry.Notice) error {
	return tx.enqueue(ctx, jobs.Notice{Tenant: string(tx.tenant), About: string(n.Kind), Access: string(n.Access)}, nil)
}

func (tx registryTx) Seats(ctx context.Context, now time.Time) (members, waiting int, err error) {
	err = tx.NewRaw(`select (select count(*) from memberships m where ?),
		(select count(*) from invitations i where ? and i.state = 'pending' and i.expires_at > ?)`,
		tx.ours("m"), tx.ours("i"), now).Scan(ctx, &members, &waiting)
	return members, waiting, err
}

type offerRow struct {
	bun.BaseModel `bun:"table:ownership_offers"`

	To        string    `bun:"to_user"`
	From      string    `bun:"from_user"`
	Keeps     string    `bun:"keeps"`
	CreatedAt time.Time `bun:"created_at"`
	ExpiresAt time.Time `bun:"expires_at"`
}

func (tx registryTx) Offer(ctx context.Context) (*registry.Offer, error) {
	var r offerRow
	if err := one(tx.find(&r).Scan(ctx), missingOffer); err != nil {
		return nil, err
	}
	return &registry.Offer{
		To: tenants.UserID(r.To), From: tenants.UserID(r.From), Keeps: tenants.Role(r.Keeps),
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}, nil
}

func (tx registryTx) SaveOffer(ctx context.Context, o *registry.Offer) error {
	if err := o.Check(); err != nil {
		return err
	}
	_, err := tx.NewInsert().Model(&offerRow{
		To: string(o.To), From: string(o.From), Keeps: string(o.Keeps), CreatedAt: o.CreatedAt, ExpiresAt: o.ExpiresAt,
	}).On("conflict (tenant_id) do update").Set("to_user = excluded.to_user").Set("from_user = excluded.from_user").
		Set("keeps = excluded.keeps").Set("created_at = excluded.created_at").Set("expires_at = excluded.expires_at").Exec(ctx)
	return err
}

func (tx registryTx) DropOffer(ctx context.Context) error {
	_, err := tx.remove((*offerRow)(nil)).Where("true").Exec(ctx)
	return err
}

func missingInvitation() *fault.Error {
	return fault.New(fault.NotFound, "invitation.not_found", "There is no such invitation.")
}

func missingOffer() *fault.Error {
	return fault.New(fault.NotFound, "ownership.not_found", "Nobody was offered this tenant.")
}

func staleInvitation() *fault.Error {
	return fault.New(fault.Conflict, "invitation.stale", "Someone else changed this invitation. Reload it and try again.")
}
