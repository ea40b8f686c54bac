// Package publishingtest has a Store for tests and the contract that both it
// and the real one must meet.
package publishingtest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit/audittest"
)

// Store is a publishing.Store and Queue in memory. Its zero value is ready to
// use; set Clock before the first call to control time.
type Store struct {
	mu      sync.Mutex
	Clock   func() time.Time
	tenants map[tenants.ID]*state
	// Block is what Blocked answers.
	Block map[channels.ID]string
	// Told is what was said about it.
	Told map[channels.ID]string
	// Fail makes the next updates fail, as a lost database would.
	Fail int
	// Gone are the channels and files that are not there; all others are.
	Gone map[string]bool
}

// state is what a tenant has. A post or delivery in it is never changed, but
// replaced by another, so that a transaction copies only what it touches.
type state struct {
	posts      map[publishing.PostID]*publishing.Post
	deliveries map[publishing.DeliveryID]*publishing.Delivery
	attempts   []publishing.Attempt
	metrics    []publishing.Measured
	settings   *publishing.Settings
	findings   []publishing.Finding
	looks      map[channels.ID]look
	events     []string
}

// Events returns what a tenant's subscribers were told, oldest first.
func (s *Store) Events(who tenants.ID) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.of(who).events)
}

func (s *Store) of(who tenants.ID) *state {
	if s.tenants == nil {
		s.tenants = map[tenants.ID]*state{}
	}
	if s.tenants[who] == nil {
		s.tenants[who] = &state{posts: map[publishing.PostID]*publishing.Post{}, deliveries: map[publishing.DeliveryID]*publishing.Delivery{}}
	}
	return s.tenants[who]
}

func (s *Store) now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}

// View implements publishing.Store.
func (s *Store) View(ctx context.Context, who tenants.ID, fn func(context.Context, publishing.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !who.Valid() {
		return fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
	}
	return fn(ctx, &memTx{s: s, st: copyState(s.of(who))})
}

// Update implements publishing.Store.
func (s *Store) Update(ctx context.Context, who tenants.ID, fn func(context.Context, publishing.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !who.Valid() {
		return fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
	}
	if s.Fail > 0 {
		s.Fail--
		return fault.New(fault.Unavailable, "database.down", "The database is away.")
	}
	tx := &memTx{s: s, st: copyState(s.of(who))}
	if err := fn(ctx, tx); err != nil {
		return err
	}
	s.tenants[who] = tx.st
	return nil
}

// Claim implements publishing.Queue, fairly enough for a test.
func (s *Store) Claim(_ context.Context, holder string, n int, lease time.Duration) ([]publishing.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []publishing.Claim
	now := s.now()
	for who, st := range s.tenants {
		for _, d := range st.deliveries { // no transaction is under way: nobody else sees them
			for _, sg := range d.Segments {
				if len(out) == n || sg.NextAt.IsZero() || sg.NextAt.After(now) {
					continue
				}
				if s.Block[d.Channel] != "" && sg.State.Untouched() {
					continue
				}
				waiting := sg.NextAt
				sg.Holder, sg.NextAt = holder, now.Add(lease)
				sg.Generation++
				out = append(out, publishing.Claim{Tenant: who, Post: d.Post, Delivery: d.ID, Segment: sg.ID, Generation: sg.Generation, DueAt: d.DueAt, Waiting: waiting})
			}
		}
	}
	return out, nil
}

// Blocked implements publishing.Queue.
func (s *Store) Blocked(_ context.Context, _ tenants.ID, ch channels.ID) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Block[ch], nil
}

// copyState is a transaction's own world: what it changes, nobody sees before
// it commits.
func copyState(st *state) *state {
	return &state{posts: maps.Clone(st.posts), deliveries: maps.Clone(st.deliveries),
		attempts: slices.Clone(st.attempts), metrics: slices.Clone(st.metrics), settings: st.settings, events: slices.Clone(st.events),
		findings: slices.Clone(st.findings), looks: maps.Clone(st.looks)}
}

// change replaces a delivery by a copy that may be changed.
func (st *state) change(id publishing.DeliveryID) *publishing.Delivery {
	st.deliveries[id] = clone(st.deliveries[id])
	return st.deliveries[id]
}

// clone copies by way of JSON, as a database would.
func clone[T any](v *T) *T {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	out := new(T)
	if err := json.Unmarshal(b, out); err != nil {
		panic(err)
	}
	return out
}

type memTx struct {
	audittest.Recorder
	s  *Store
	st *state
}

func (tx *memTx) Now(context.Context) (time.Time, error) { return tx.s.now(), nil }

func (tx *memTx) Settings(context.Context) (publishing.Settings, error) {
	if tx.st.settings != nil {
		return *tx.st.settings, nil
	}
	return publishing.DefaultSettings, nil
}

func (tx *memTx) SaveSettings(_ context.Context, s publishing.Settings) error {
	tx.st.settings = &s
	return nil
}

func (tx *memTx) SaveMetrics(_ context.Context, m []publishing.Measured) error {
	tx.st.metrics = append(tx.st.metrics, m...)
	return nil
}

func (tx *memTx) Metrics(_ context.Context, post publishing.PostID) ([]publishing.Measured, error) {
	var out []publishing.Measured
	for _, m := range tx.st.metrics {
		for _, d := range tx.st.deliveries {
			if d.Post == post && d.Segment(m.Segment) != nil {
				out = append(out, m)
			}
		}
	}
	return out, nil
}

func (tx *memTx) RefreshMetrics(_ context.Context, post publishing.PostID, _ string) error {
	tx.st.events = append(tx.st.events, "job metrics "+string(post))
	return nil
}

func (tx *memTx) FollowUp(_ context.Context, post publishing.PostID, _ time.Duration) error {
	tx.st.events = append(tx.st.events, "job follow "+string(post))
	return nil
}

func (tx *memTx) Blocked(_ context.Context, chs ...channels.ID) (map[channels.ID]publishing.Block, error) {
	out := map[channels.ID]publishing.Block{}
	for _, ch := range chs {
		if reason := tx.s.Block[ch]; reason != "" {
			out[ch] = publishing.Block{Reason: reason, Told: tx.s.Told[ch]}
		}
	}
	return out, nil
}

func (tx *memTx) Emit(_ context.Context, event, _ string, _ any) error {
	tx.st.events = append(tx.st.events, event)
	return nil
}

func (tx *memTx) WakeDispatch(context.Context) error { return nil }

func (tx *memTx) atRisk(p *publishing.Post) bool {
	return p.State == publishing.Scheduled && slices.ContainsFunc(tx.st.findings, func(f publishing.Finding) bool {
		return f.Post == p.ID && f.Version == p.Version
	})
}
