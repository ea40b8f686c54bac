// Package publishingtest has a Store for tests and the contract that both it
// and the real one must meet.
package publishingtest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sort"
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
		for _, d := range st.deliveries {
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
	c := &state{posts: map[publishing.PostID]*publishing.Post{}, deliveries: map[publishing.DeliveryID]*publishing.Delivery{},
		attempts: slices.Clone(st.attempts), metrics: slices.Clone(st.metrics), settings: st.settings, events: slices.Clone(st.events),
		findings: slices.Clone(st.findings), looks: maps.Clone(st.looks)}
	for id, p := range st.posts {
		c.posts[id] = clone(p)
	}
	for id, d := range st.deliveries {
		c.deliveries[id] = clone(d)
	}
	return c
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

func (tx *memTx) Post(_ context.Context, id publishing.PostID) (*publishing.Post, error) {
	p, ok := tx.st.posts[id]
	if !ok {
		return nil, fault.New(fault.NotFound, "post.not_found", "There is no such post.")
	}
	return clone(p), nil
}

func (tx *memTx) LockPost(ctx context.Context, id publishing.PostID) (*publishing.Post, error) {
	return tx.Post(ctx, id)
}

func (tx *memTx) Posts(_ context.Context, f publishing.Filter) ([]*publishing.Post, error) {
	var out []*publishing.Post
	for _, p := range tx.st.posts {
		if tx.matches(p, f) {
			out = append(out, clone(p))
		}
	}
	sort.Slice(out, func(i, j int) bool {
		if f.Reverse {
			i, j = j, i
		}
		if !f.From.IsZero() && !out[i].Schedule.At.Equal(out[j].Schedule.At) {
			return out[i].Schedule.At.Before(out[j].Schedule.At)
		}
		return (out[i].ID > out[j].ID) == f.From.IsZero()
	})
	if f.Limit > 0 && len(out) > f.Limit {
		out = out[:f.Limit]
	}
	return out, nil
}

func (tx *memTx) Calendar(ctx context.Context, f publishing.Filter) ([]publishing.Entry, error) {
	posts, err := tx.Posts(ctx, f)
	out := make([]publishing.Entry, len(posts))
	for i, p := range posts {
		first := p.Content.Parts[0]
		out[i] = publishing.Entry{ID: p.ID, State: p.State, At: p.Schedule.At, Zone: p.Schedule.Zone, Text: publishing.FirstLine(first.Text), Parts: len(p.Content.Parts)}
		if len(first.Media) > 0 {
			out[i].Media = first.Media[0].Media
		}
		for _, v := range p.Content.Variants {
			out[i].Channels = append(out[i].Channels, v.Channel)
		}
	}
	return out, err
}

func (tx *memTx) matches(p *publishing.Post, f publishing.Filter) bool {
	switch at := p.Schedule.At; {
	case f.After != "" && (p.ID == f.After || p.ID > f.After != f.Reverse),
		len(f.States) > 0 && !slices.Contains(f.States, p.State),
		f.AtRisk && !tx.atRisk(p),
		!f.From.IsZero() && (at.IsZero() || at.Before(f.From)),
		!f.To.IsZero() && (at.IsZero() || !at.Before(f.To)):
		return false
	}
	if f.Channel == "" {
		return true
	}
	return slices.ContainsFunc(p.Content.Variants, func(v publishing.Variant) bool { return v.Channel == f.Channel })
}

func (tx *memTx) Unknown(_ context.Context, refs publishing.Refs) (out publishing.Refs, err error) {
	for _, c := range refs.Channels {
		if tx.s.Gone[string(c)] {
			out.Channels = append(out.Channels, c)
		}
	}
	for _, m := range refs.Media {
		if tx.s.Gone[string(m)] {
			out.Media = append(out.Media, m)
		}
	}
	return out, nil
}

func (tx *memTx) SavePost(_ context.Context, p *publishing.Post) error {
	if err := p.Check(); err != nil {
		return err
	}
	old, ok := tx.st.posts[p.ID]
	if (ok && old.Version != p.Version) || (!ok && p.Version != 0) {
		return fault.New(fault.Conflict, publishing.StaleReason, "Somebody else changed this post.")
	}
	p.Version++
	p.UpdatedAt = tx.s.now()
	if !ok {
		p.CreatedAt = p.UpdatedAt
	}
	tx.st.posts[p.ID] = clone(p)
	return nil
}

func (tx *memTx) DeletePost(_ context.Context, id publishing.PostID) error {
	delete(tx.st.posts, id)
	maps.DeleteFunc(tx.st.deliveries, func(_ publishing.DeliveryID, d *publishing.Delivery) bool { return d.Post == id })
	return nil
}

func (tx *memTx) SetState(_ context.Context, id publishing.PostID, s publishing.State) error {
	tx.st.posts[id].State = s
	return nil
}

func (tx *memTx) Deliveries(_ context.Context, posts ...publishing.PostID) ([]*publishing.Delivery, error) {
	var out []*publishing.Delivery
	for _, d := range tx.st.deliveries {
		if slices.Contains(posts, d.Post) {
			out = append(out, clone(d))
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out, nil
}

func (tx *memTx) Outlines(ctx context.Context, posts ...publishing.PostID) ([]*publishing.Delivery, error) {
	ds, err := tx.Deliveries(ctx, posts...)
	for _, d := range ds {
		outline(d)
	}
	return ds, err
}

// outline leaves of d what Tx.Outlines returns.
func outline(d *publishing.Delivery) {
	d.Settings, d.Hash = nil, ""
	for i, s := range d.Segments {
		d.Segments[i] = &publishing.Segment{
			ID: s.ID, Position: s.Position, Comment: s.Comment, State: s.State, Ref: s.Ref, LiveAt: s.LiveAt, Problem: s.Problem,
			Hidden: s.Hidden, Warnings: s.Warnings,
		}
	}
}

func (tx *memTx) SaveDelivery(_ context.Context, d *publishing.Delivery) error {
	tx.st.deliveries[d.ID] = clone(d)
	return nil
}

func (tx *memTx) DeleteDelivery(_ context.Context, id publishing.DeliveryID) error {
	delete(tx.st.deliveries, id)
	return nil
}

// Arm implements publishing.Store.
func (s *Store) Arm(ctx context.Context, c publishing.Claim, a publishing.Arming) error {
	return s.Update(ctx, c.Tenant, func(_ context.Context, tx publishing.Tx) error {
		st := tx.(*memTx).st
		d, ok := st.deliveries[c.Delivery]
		if !ok {
			return publishing.ErrLost
		}
		opened, err := d.Arm(c, a, s.now())
		if err != nil {
			return err
		}
		for _, old := range st.attempts {
			if old.Segment == c.Segment && old.EndedAt.IsZero() {
				return fault.New(fault.Conflict, "attempt.open", "Another attempt is open.")
			}
		}
		st.attempts = append(st.attempts, *opened)
		return nil
	})
}

func (tx *memTx) CloseAttempt(_ context.Context, s publishing.SegmentID, o publishing.Outcome, p *publishing.Problem) error {
	for i := range tx.st.attempts {
		if a := &tx.st.attempts[i]; a.Segment == s && a.EndedAt.IsZero() {
			a.EndedAt, a.Outcome, a.Problem = tx.s.now(), o, p
		}
	}
	return nil
}

func (tx *memTx) DropAttempt(_ context.Context, s publishing.SegmentID) error {
	tx.st.attempts = slices.DeleteFunc(tx.st.attempts, func(a publishing.Attempt) bool { return a.Segment == s && a.EndedAt.IsZero() })
	return nil
}

func (tx *memTx) ResolveAttempts(_ context.Context, s publishing.SegmentID, o publishing.Outcome) error {
	for i := range tx.st.attempts {
		if a := &tx.st.attempts[i]; a.Segment == s && a.Outcome == publishing.OutcomeLost {
			a.Outcome = o
		}
	}
	return nil
}

func (tx *memTx) Attempts(_ context.Context, post publishing.PostID) ([]publishing.Attempt, error) {
	var out []publishing.Attempt
	for _, a := range tx.st.attempts {
		for _, d := range tx.st.deliveries {
			if d.Post == post && d.Segment(a.Segment) != nil {
				out = append(out, a)
			}
		}
	}
	return out, nil
}

// Peek implements publishing.Store.
func (s *Store) Peek(ctx context.Context, c publishing.Claim) (w *publishing.Work, err error) {
	err = s.View(ctx, c.Tenant, func(ctx context.Context, tx publishing.Tx) (err error) {
		w, err = tx.Work(ctx, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	w.State, w.Rest = "", nil
	return w, nil
}

func (tx *memTx) Work(ctx context.Context, c publishing.Claim) (*publishing.Work, error) {
	d, ok := tx.st.deliveries[c.Delivery]
	if !ok {
		return nil, fault.New(fault.NotFound, "segment.not_found", "There is no such part.")
	}
	all, err := tx.Deliveries(ctx, c.Post)
	if err != nil {
		return nil, err
	}
	w := &publishing.Work{State: tx.st.posts[c.Post].State, Delivery: clone(d), Now: tx.s.now()}
	for _, other := range all {
		if other.ID != d.ID {
			w.Rest = append(w.Rest, other.State())
		}
	}
	w.Settings, err = tx.Settings(ctx)
	return w, err
}

// Refs implements publishing.Tx.
func (tx *memTx) Refs(_ context.Context, ch channels.ID, since time.Time) (out []string, err error) {
	for _, d := range tx.st.deliveries {
		for _, s := range d.Segments {
			if d.Channel == ch && s.Ref != nil && s.Ref.ID != "" && !s.LiveAt.Before(since) {
				out = append(out, s.Ref.ID)
			}
		}
	}
	return out, nil
}

// taken reports whether another segment of the channel has the same object.
func (tx *memTx) taken(ch channels.ID, s *publishing.Segment) bool {
	for _, d := range tx.st.deliveries {
		for _, other := range d.Segments {
			if d.Channel == ch && other.ID != s.ID && other.Ref != nil && s.Ref != nil && s.Ref.ID != "" && other.Ref.ID == s.Ref.ID {
				return true
			}
		}
	}
	return false
}

func (tx *memTx) SaveSegments(_ context.Context, d *publishing.Delivery, segments ...*publishing.Segment) error {
	for _, s := range segments {
		if tx.taken(d.Channel, s) {
			return publishing.ErrTaken
		}
		known := &tx.st.deliveries[d.ID].Segments[s.Position]
		part := (*known).Part
		*known = clone(s)
		(*known).Part = part
	}
	return nil
}

type look struct {
	publishing.Look
	done bool
}

// Stale implements publishing.Watch. Every channel is of the only platform there is.
func (s *Store) Stale(_ context.Context, rules map[string]string, limit int) (out []publishing.Look, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for who, st := range s.tenants {
		for _, d := range st.deliveries {
			if d.State() != publishing.Scheduled || len(out) == limit {
				continue
			}
			for _, now := range rules {
				l := publishing.Look{Tenant: who, Channel: d.Channel, Rules: now}
				if was, ok := st.looks[d.Channel]; ok && was.Rules == now {
					if was.done {
						continue
					}
					l.After = was.After
				}
				if !slices.Contains(out, l) {
					out = append(out, l)
				}
			}
		}
	}
	return out, nil
}

func (tx *memTx) Findings(_ context.Context, posts ...publishing.PostID) (out []publishing.Finding, err error) {
	for _, f := range tx.st.findings {
		if slices.Contains(posts, f.Post) {
			out = append(out, f)
		}
	}
	return out, nil
}

func (tx *memTx) SaveFinding(_ context.Context, f publishing.Finding) error {
	tx.st.findings = slices.DeleteFunc(tx.st.findings, func(one publishing.Finding) bool { return one.Post == f.Post && one.Channel == f.Channel })
	if len(f.Violations) > 0 {
		tx.st.findings = append(tx.st.findings, f)
	}
	return nil
}

func (tx *memTx) SaveLook(_ context.Context, l publishing.Look, done bool) error {
	if tx.st.looks == nil {
		tx.st.looks = map[channels.ID]look{}
	}
	tx.st.looks[l.Channel] = look{l, done}
	return nil
}

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
