package channels

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Page sizes of List.
const (
	defaultPage = 20
	maxPage     = 100
)

// maxReason is the longest reason for a pause, in characters.
const maxReason = 1000

// Change is a partial update. Nil fields stay.
type Change struct {
	Name        *string
	Paused      *bool
	PauseReason *string
}

// List returns a page of channels, oldest first, and whether there are more.
// A Limit outside 1 to 100 reads as 20.
func (s *Service) List(ctx context.Context, who tenants.Scope, q Query) (page []Channel, more bool, err error) {
	if err := s.Authz.Allow(ctx, who, ActRead); err != nil {
		return nil, false, err
	}
	if q.Limit < 1 || q.Limit > maxPage {
		q.Limit = defaultPage
	}
	limit := q.Limit
	q.Limit++ // one more tells whether there is a next page
	err = s.Store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		page, err = tx.Channels(ctx, q)
		return err
	})
	if len(page) > limit {
		return page[:limit], true, err
	}
	return page, false, err
}

// Get returns one channel.
func (s *Service) Get(ctx context.Context, who tenants.Scope, id ID) (Channel, error) {
	if err := s.Authz.Allow(ctx, who, ActRead); err != nil {
		return Channel{}, err
	}
	return s.get(ctx, who.Tenant, id)
}

func (s *Service) get(ctx context.Context, t tenants.ID, id ID) (out Channel, err error) {
	err = s.Store.View(ctx, t, func(ctx context.Context, tx Tx) error {
		ch, err := tx.Channel(ctx, id)
		if err == nil {
			out = *ch
		}
		return err
	})
	return out, err
}

// Update renames or pauses a channel. A version other than the present one is
// a fault.Conflict; version 0 means whatever it is now.
func (s *Service) Update(ctx context.Context, who tenants.Scope, id ID, version int, change Change) (Channel, error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return Channel{}, err
	}
	if change.PauseReason != nil && utf8.RuneCountInString(*change.PauseReason) > maxReason {
		return Channel{}, fault.New(fault.Invalid, "channel.reason_too_long", "A reason has at most %d characters.", maxReason).On("/reason")
	}
	if change.Name != nil && strings.ContainsFunc(*change.Name, unicode.IsControl) {
		return Channel{}, fault.New(fault.Invalid, "channel.name_control", "Leave out control characters, such as line breaks.").On("/name")
	}
	return s.change(ctx, who, id, version, func(ctx context.Context, tx Tx, ch *Channel) error {
		ch.apply(change, who)
		if err := tx.Record(ctx, audit.By(who, change.action(), string(id))); err != nil {
			return err
		}
		return emit(ctx, tx, EventUpdated, ch)
	})
}

// action is what the change is called in records.
func (c Change) action() string {
	switch {
	case c.Paused == nil:
		return "channel.update"
	case *c.Paused:
		return "channel.pause"
	}
	return "channel.resume"
}

// apply makes the change on behalf of who.
func (c *Channel) apply(change Change, who tenants.Scope) {
	if change.Name != nil {
		c.Name = *change.Name
	}
	if change.Paused != nil && *change.Paused != c.Paused {
		c.Paused, c.PausedBy, c.PausedOn = *change.Paused, "", ""
		if c.Paused {
			c.PausedBy = who.Actor()
		}
	}
	if change.PauseReason != nil && c.Paused {
		c.PausedOn = *change.PauseReason
	}
}

// change loads, changes and saves a channel in one transaction, and does what
// comes after the save in it too.
func (s *Service) change(ctx context.Context, who tenants.Scope, id ID, version int, fn func(context.Context, Tx, *Channel) error, after ...func(context.Context, Tx) error) (out Channel, err error) {
	err = s.Store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		ch, err := tx.Channel(ctx, id)
		if err != nil {
			return err
		}
		if version != 0 && version != ch.Version {
			return Stale()
		}
		if err := fn(ctx, tx, ch); err != nil {
			return err
		}
		if err := tx.SaveChannel(ctx, ch); err != nil {
			return err
		}
		out = *ch
		for _, fn := range after {
			if err := fn(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// Stale is the fault of a save that someone else came before.
func Stale() *fault.Error {
	return fault.New(fault.Conflict, "channel.stale", "Someone else changed this in the meantime.")
}

// Disconnect gives an account back: its credential is deleted and, where the
// platform can be told, revoked. That it cannot be told changes nothing here.
// The channel stays, with its history.
func (s *Service) Disconnect(ctx context.Context, who tenants.Scope, id ID, version int) (Channel, error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return Channel{}, err
	}
	l := &loan{tenant: who.Tenant}
	var gone bool
	out, err := s.change(ctx, who, id, version, func(ctx context.Context, tx Tx, ch *Channel) (err error) {
		if ch.State == Disconnected {
			return nil
		}
		if l.grant, err = tx.Grant(ctx, ch.Grant); err != nil {
			return err
		}
		ch.disconnect()
		if err := tx.Record(ctx, audit.By(who, "channel.disconnect", string(id))); err != nil {
			return err
		}
		return emit(ctx, tx, EventDisconnected, ch)
	}, func(ctx context.Context, tx Tx) (err error) {
		if l.grant != nil {
			gone, err = dropped(ctx, tx, l.grant.ID)
		}
		return err
	})
	if err == nil && gone {
		s.revoke(context.WithoutCancel(ctx), l)
	}
	return out, err
}

// dropped deletes what no channel rests on any more and reports whether id was
// among it.
func dropped(ctx context.Context, tx Tx, id GrantID) (bool, error) {
	if err := tx.DropGrants(ctx); err != nil {
		return false, err
	}
	_, err := tx.Grant(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return true, nil
	}
	return false, err
}

// revoke makes the tokens worthless at the platform too, as far as it lets us.
func (s *Service) revoke(ctx context.Context, l *loan) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	p, err := s.Plugins.Platform(ctx, l.grant.Platform)
	if err != nil || s.unseal(ctx, l) != nil {
		return
	}
	o := p.Manifest().Auth.OAuth2
	if o == nil || o.RevokeURL == "" {
		return
	}
	_, client, err := s.ownApp(ctx, l.grant.App, l.grant.Platform, l.grant.Instance)
	if err != nil {
		return
	}
	for _, token := range []string{l.secret.Refresh, l.secret.Credential.AccessToken} {
		if token != "" {
			_ = s.OAuth.Revoke(ctx, at(*o, l.grant.Instance), client, token)
		}
	}
}

// Renewals is the journal of a channel's token renewals, newest first.
func (s *Service) Renewals(ctx context.Context, who tenants.Scope, id ID) (out []Renewal, err error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		ch, err := tx.Channel(ctx, id)
		if err != nil || ch.Grant == "" {
			return err
		}
		out, err = tx.Renewals(ctx, ch.Grant)
		return err
	})
	return out, err
}
