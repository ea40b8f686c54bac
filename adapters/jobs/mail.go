package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/core/identity"
)

// Mail writes a letter and sends it. There is no token in it, nor who the
// reader is: whoever works it looks the address up and draws the token then,
// so neither a backup of the queue nor the time a request takes gives anything
// away. People belong to no tenant, and neither does their mail.
//
// A letter about a new device says more: it is only ever to somebody who has
// signed in.
type Mail struct {
	ID      string `json:"id"`
	Letter  string `json:"letter"`
	Email   string `json:"email"`
	Pending string `json:"pending,omitempty"` // the registration to verify; empty: the latest

	Host     string `json:"host,omitempty"`     // where it was asked for
	Provider string `json:"provider,omitempty"` // whom an account was linked at

	What    string    `json:"what,omitempty"`
	Session string    `json:"session,omitempty"`
	Device  string    `json:"device,omitempty"`
	Place   string    `json:"place,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// MailOf is the job that delivers l.
func MailOf(l identity.Letter) Mail {
	return Mail{
		ID: l.ID, Letter: string(l.Kind), Email: l.Email, Pending: string(l.Pending), Host: l.Host,
		What: string(l.What), Session: string(l.Session), Device: l.Device, Place: l.Place, At: l.At, Provider: l.Provider,
	}
}

func (m Mail) letter() identity.Letter {
	return identity.Letter{
		ID: m.ID, Kind: identity.LetterKind(m.Letter), Email: m.Email, Pending: identity.PendingID(m.Pending), Host: m.Host,
		What: identity.FactorChange(m.What), Session: identity.SessionID(m.Session), Device: m.Device, Place: m.Place, At: m.At, Provider: m.Provider,
	}
}

// Kind implements river.JobArgs.
func (Mail) Kind() string { return "identity.mail" }

// InsertOpts implements river.JobArgsWithInsertOpts: River's growing pauses put
// twelve tries into about eleven hours, half of what a registration waits.
func (Mail) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 12} }

// IdentitySweep forgets what has expired.
type IdentitySweep struct{}

// Kind implements river.JobArgs.
func (IdentitySweep) Kind() string { return "identity.sweep" }

// Postman is the part of identity.Postman that workers need.
type Postman interface {
	Deliver(ctx context.Context, l identity.Letter) error
}

// Sweeper is the part of identity.Directory that workers need.
type Sweeper interface {
	Sweep(ctx context.Context) error
}

// RegisterIdentity adds the workers of identity.
func RegisterIdentity(ws *river.Workers, post Postman, sweep Sweeper) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, job *river.Job[Mail]) error {
		return Verdict(post.Deliver(ctx, job.Args.letter()))
	}))
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, _ *river.Job[IdentitySweep]) error {
		return Verdict(sweep.Sweep(ctx))
	}))
}

// PeriodicIdentity is what runs by the clock, for river.Config.PeriodicJobs.
func PeriodicIdentity() []*river.PeriodicJob {
	return []*river.PeriodicJob{every(time.Hour, IdentitySweep{}, river.QueueDefault)}
}
