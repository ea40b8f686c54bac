package admin

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// A User is a person as operators see them.
type User struct {
	ID          tenants.UserID
	Email       string
	Name        string
	Home        tenants.ID
	CreatedAt   time.Time
	SuspendedAt time.Time // zero: they are not
	Reason      string
}

// A Seat is a place of a user in the tree.
type Seat struct {
	Tenant tenants.ID
	Name   string
	Kind   tenants.Kind
	Role   tenants.Role
}

// Search looks for people or tenants: by id, by the beginning of an address, or
// by a part of a name. Empty finds all.
type Search struct {
	Text  string
	Kind  tenants.Kind // of a tenant; empty: any
	After string       // the last id of the page before
	Limit int          // 1 to 100; 0 means 20
}

// maxSearch is how long an address can be, in characters.
const maxSearch = 254

func (q Search) checked() (Search, error) {
	q.Text = strings.TrimSpace(q.Text)
	switch {
	case q.Limit == 0:
		q.Limit = 20
	case q.Limit < 1 || q.Limit > 100:
		return q, fault.New(fault.Invalid, "page.bad_limit", "Ask for 1 to 100 at a time.").On("/query/limit")
	}
	if utf8.RuneCountInString(q.Text) > maxSearch {
		return q, fault.New(fault.Invalid, "text.too_long", "At most %d characters.", maxSearch).On("/query/q")
	}
	return q, nil
}

// Users finds people, by id.
func (s *Service) Users(ctx context.Context, who Who, q Search) (page []User, more bool, err error) {
	return found(ctx, s, who, q, Tx.Users)
}

// found is a page of what q asks for, and whether there is more.
func found[T any](ctx context.Context, s *Service, who Who, q Search, list func(Tx, context.Context, Search) ([]T, error)) (page []T, more bool, err error) {
	if err := who.allow(); err != nil {
		return nil, false, err
	}
	if q, err = q.checked(); err != nil {
		return nil, false, err
	}
	limit := q.Limit
	q.Limit++
	err = s.Store.View(ctx, func(tx Tx) error {
		page, err = list(tx, ctx, q)
		return err
	})
	if len(page) > limit {
		return page[:limit], true, err
	}
	return page, false, err
}

// User is one person, with where they belong.
func (s *Service) User(ctx context.Context, who Who, user tenants.UserID) (u *User, seats []Seat, err error) {
	if err := who.allow(); err != nil {
		return nil, nil, err
	}
	err = s.Store.View(ctx, func(tx Tx) error {
		if u, err = tx.User(ctx, user); err != nil {
			return err
		}
		seats, err = tx.Seats(ctx, user)
		return err
	})
	return u, seats, err
}

// SuspendUser shuts a person out: their sessions end, their keys stop, and they
// cannot sign in. What they wrote and planned stays.
func (s *Service) SuspendUser(ctx context.Context, who Who, user tenants.UserID, reason string) (*User, error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	reason, err := because(reason)
	if err != nil {
		return nil, err
	}
	return s.setUser(ctx, audit.Of(who.actor(), "user.suspend", string(user), "reason", reason), user, s.Now(), reason)
}

// ResumeUser lets a person in again.
func (s *Service) ResumeUser(ctx context.Context, who Who, user tenants.UserID) (*User, error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	return s.setUser(ctx, audit.Of(who.actor(), "user.resume", string(user)), user, time.Time{}, "")
}

func (s *Service) setUser(ctx context.Context, e audit.Entry, user tenants.UserID, at time.Time, reason string) (u *User, err error) {
	if !id.Is("usr", string(user)) {
		return nil, Missing("user")
	}
	err = s.update(ctx, e, func(tx Tx) error {
		if u, err = tx.User(ctx, user); err != nil {
			return err
		}
		u.SuspendedAt, u.Reason = at, reason
		return tx.SuspendUser(ctx, u)
	})
	return u, err
}
