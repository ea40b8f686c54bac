package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Invite writes the letter of an invitation and sends it. There is no token in
// it: whoever works it draws one.
type Invite struct {
	Tenant     string `json:"tenant"`
	Invitation string `json:"invitation"`
	Number     int    `json:"number"` // which letter of the invitation
}

// Kind implements river.JobArgs. It never changes.
func (Invite) Kind() string { return "registry.invite" }

// InsertOpts implements river.JobArgsWithInsertOpts: about eleven hours, as
// for other letters.
func (Invite) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 12} }

// Notice writes to people what concerns them in a tenant, and sends it.
type Notice struct {
	Tenant string `json:"tenant"`
	About  string `json:"about"`
	Access string `json:"access,omitempty"`
}

// Kind implements river.JobArgs. It never changes.
func (Notice) Kind() string { return "registry.notice" }

// InsertOpts implements river.JobArgsWithInsertOpts: about eleven hours, as
// for other letters.
func (Notice) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 12} }

// Courier is the part of registry.Courier that a worker needs.
type Courier interface {
	Notify(ctx context.Context, tenant tenants.ID, n registry.Notice) error
	Deliver(ctx context.Context, tenant tenants.ID, l registry.Letter) error
}

// RegisterInvitations adds the workers that mail invitations and notices.
func RegisterInvitations(ws *river.Workers, c Courier) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, job *river.Job[Notice]) error {
		a := job.Args
		return Verdict(c.Notify(ctx, tenants.ID(a.Tenant), registry.Notice{Kind: registry.NoticeKind(a.About), Access: registry.AccessID(a.Access)}))
	}))
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, job *river.Job[Invite]) error {
		a := job.Args
		return Verdict(c.Deliver(ctx, tenants.ID(a.Tenant), registry.Letter{Invitation: registry.InvitationID(a.Invitation), Number: a.Number}))
	}))
}
