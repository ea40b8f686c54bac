// Package channelstest tests whatever keeps channels: a Store in memory for
// the rules, and Run, the contract that it and PostgreSQL both pass.
package channelstest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Store keeps channels in memory. Several Services may share one, as several
// processes share a database. The zero Store has no tenants.
type Store struct {
	Now func() time.Time // nil: time.Now
	// Lines is the tenants above each tenant, nearest first, itself included.
	Lines map[tenants.ID][]tenants.ID

	mu   sync.Mutex
	all  map[tenants.ID]*rows
	apps quotas
}

// rows is what one tenant has.
type rows struct {
	channels    map[channels.ID]channels.Channel
	grants      map[channels.GrantID]grant
	renewals    map[channels.GrantID][]channels.Renewal
	connections map[channels.ConnectionID]channels.Connection
	apps        map[[2]string]channels.App
	quotas      quotas
	events      []Event
	sunsets     []channels.Sunset // that the tenant was told of
}

type grant struct {
	channels.Grant
	fence int64
}

// An Event is one that was emitted.
type Event struct {
	Type, Subject string
	Data          string // JSON
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Store) rows(t tenants.ID) *rows {
	if r, ok := s.all[t]; ok {
		return r
	}
	return &rows{
		channels: map[channels.ID]channels.Channel{}, grants: map[channels.GrantID]grant{},
		renewals:    map[channels.GrantID][]channels.Renewal{},
		connections: map[channels.ConnectionID]channels.Connection{}, apps: map[[2]string]channels.App{}, quotas: quotas{},
	}
}

// clone copies maps; values are replaced whole and never changed in place.
func (r *rows) clone() *rows {
	return &rows{
		channels: maps.Clone(r.channels), grants: maps.Clone(r.grants), renewals: maps.Clone(r.renewals),
		connections: maps.Clone(r.connections), apps: maps.Clone(r.apps), quotas: maps.Clone(r.quotas),
		events: slices.Clone(r.events), sunsets: slices.Clone(r.sunsets),
	}
}

type insideKey struct{}

// View implements channels.Store.
func (s *Store) View(ctx context.Context, t tenants.ID, fn func(context.Context, channels.Tx) error) error {
	return s.run(ctx, t, fn, false)
}

// Update implements channels.Store.
func (s *Store) Update(ctx context.Context, t tenants.ID, fn func(context.Context, channels.Tx) error) error {
	return s.run(ctx, t, fn, true)
}

// Look implements channels.Store.
func (s *Store) Look(ctx context.Context, t tenants.ID, id channels.ID) (ch *channels.Channel, g *channels.Grant, closed []channels.Refusal, err error) {
	err = s.View(ctx, t, func(ctx context.Context, tx channels.Tx) (err error) {
		if ch, err = tx.Channel(ctx, id); err != nil {
			return err
		}
		if g, err = tx.Grant(ctx, ch.Grant); fault.Is(err, fault.NotFound) {
			g, err = nil, nil
		}
		closed = s.rows(t).quotas.closed(s.now(), ch.Platform)
		return err
	})
	return ch, g, closed, err
}

func (s *Store) run(ctx context.Context, t tenants.ID, fn func(context.Context, channels.Tx) error, keep bool) error {
	if !t.Valid() {
		return fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
	}
	if ctx.Value(insideKey{}) != nil {
		return errors.New("channelstest: a transaction inside a transaction")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	work := s.rows(t).clone()
	if err := fn(context.WithValue(ctx, insideKey{}, true), memTx{rows: work, s: s}); err != nil || !keep {
		return err
	}
	if s.all == nil {
		s.all = map[tenants.ID]*rows{}
	}
	s.all[t] = work
	return nil
}

// Events returns what t emitted, oldest first.
func (s *Store) Events(t tenants.ID) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows(t).events
}

// Dump is everything that is kept, for a search for what must not be.
func (s *Store) Dump() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []byte
	for _, r := range s.all {
		for _, part := range []any{
			slices.Collect(maps.Values(r.channels)), slices.Collect(maps.Values(r.grants)), slices.Collect(maps.Values(r.connections)),
			slices.Collect(maps.Values(r.apps)), r.events, slices.Collect(maps.Values(r.renewals)),
		} {
			b, err := json.Marshal(part)
			if err != nil {
				panic(err)
			}
			out = append(out, b...)
		}
	}
	return string(out)
}

// Lineage implements channels.System.
func (s *Store) Lineage(_ context.Context, t tenants.ID) ([]tenants.ID, error) {
	if line, ok := s.Lines[t]; ok {
		return line, nil
	}
	return []tenants.ID{t}, nil
}

// ByState implements channels.System.
func (s *Store) ByState(_ context.Context, hash []byte) (tenants.ID, channels.ConnectionID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, r := range s.all {
		for id, c := range r.connections {
			if len(hash) > 0 && slices.Equal(c.StateHash, hash) {
				return t, id, nil
			}
		}
	}
	return "", "", missing()
}

// DueGrants implements channels.System.
func (s *Store) DueGrants(_ context.Context, limit int) ([]channels.Due, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type due struct {
		channels.Due
		at time.Time
	}
	var all []due
	now := s.now()
	for t, r := range s.all {
		for id, g := range r.grants {
			if !g.RefreshAt.IsZero() && !g.RefreshAt.After(now) && !g.LeasedUntil.After(now) {
				all = append(all, due{channels.Due{Tenant: t, Grant: id}, g.RefreshAt})
			}
		}
	}
	slices.SortFunc(all, func(a, b due) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Grant, b.Grant)) })
	var out []channels.Due
	for _, d := range all[:min(limit, len(all))] {
		out = append(out, d.Due)
	}
	return out, nil
}

// PurgeConnections implements channels.System.
func (s *Store) PurgeConnections(_ context.Context, before time.Time) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.all {
		for id, c := range r.connections {
			if c.ExpiresAt.Before(before) {
				delete(r.connections, id)
				n++
			}
		}
	}
	return n, nil
}

// PurgeQuotas implements channels.System.
func (s *Store) PurgeQuotas(_ context.Context, ago time.Duration) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = s.apps.purge(s.now().Add(-ago))
	for _, r := range s.all {
		n += r.quotas.purge(s.now().Add(-ago))
	}
	return n, nil
}

// SpendApp implements channels.System.
func (s *Store) SpendApp(_ context.Context, platform string, claims []channels.Claim) (*channels.Refusal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	work := maps.Clone(s.apps)
	if work == nil {
		work = quotas{}
	}
	if r := work.spend(s.now(), platform, claims); r != nil {
		return r, nil
	}
	s.apps = work
	return nil, nil
}

// GiveBackApp implements channels.System.
func (s *Store) GiveBackApp(_ context.Context, platform string, claims []channels.Claim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps.giveBack(platform, claims)
	return nil
}

// ParkApp implements channels.System.
func (s *Store) ParkApp(_ context.Context, platform string, c channels.Claim, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.apps == nil {
		s.apps = quotas{}
	}
	s.apps.park(s.now(), platform, c, d)
	return nil
}

// ParkedApps implements channels.System.
func (s *Store) ParkedApps(_ context.Context, platform string) (out []channels.Refusal, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, q := range s.apps {
		if k.platform == platform && q.parked.After(s.now()) {
			out = append(out, channels.Refusal{
				Name: k.name, Scope: social.ScopeApp, Subject: k.subject, RetryAfter: q.parked.Sub(s.now()),
			})
		}
	}
	return out, nil
}

func missing() error { return fault.New(fault.NotFound, "not_found", "There is no such thing.") }
