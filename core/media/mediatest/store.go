// Package mediatest has a Store for tests and the contract that both it and
// the real one must meet. Start with Run.
package mediatest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit/audittest"
)

// Store is a media.Store in memory. Its zero value is ready to use.
type Store struct {
	mu        sync.Mutex
	files     map[tenants.ID]map[media.ID]media.Media
	announced []media.ID
	lamented  []media.ID
	// Drafts and Planned are the posts that show a file. Detach empties Drafts.
	Drafts, Planned []string
}

// Lamented lists the files of every committed Lament, in order.
func (s *Store) Lamented() []media.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lamented)
}

// Announced lists the files of every committed Announce, in order.
func (s *Store) Announced() []media.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.announced)
}

// Len counts the rows of one tenant, whatever their state.
func (s *Store) Len(who tenants.ID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files[who])
}

// View implements media.Store.
func (s *Store) View(ctx context.Context, who tenants.ID, fn func(media.Tx) error) error {
	_, err := s.run(ctx, who, fn)
	return err
}

// Update implements media.Store.
func (s *Store) Update(ctx context.Context, who tenants.ID, fn func(media.Tx) error) error {
	tx, err := s.run(ctx, who, fn)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files = map[tenants.ID]map[media.ID]media.Media{}
	}
	s.files[who] = tx.files
	s.announced = append(s.announced, tx.announced...)
	s.lamented = append(s.lamented, tx.lamented...)
	s.Drafts = tx.drafts
	return nil
}

// run works on a copy of the tenant's rows.
func (s *Store) run(ctx context.Context, who tenants.ID, fn func(media.Tx) error) (*memTx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !who.Valid() {
		return nil, fault.New(fault.Internal, "tenant.missing", "No tenant was named.")
	}
	s.mu.Lock()
	tx := &memTx{files: maps.Clone(s.files[who]), drafts: s.Drafts, planned: s.Planned}
	s.mu.Unlock()
	if tx.files == nil {
		tx.files = map[media.ID]media.Media{}
	}
	return tx, fn(tx)
}

type memTx struct {
	audittest.Recorder
	files               map[media.ID]media.Media
	announced, lamented []media.ID
	drafts, planned     []string
}

func (tx *memTx) Lock(ctx context.Context, id media.ID) (*media.Media, error) {
	return tx.Media(ctx, id)
}

func (tx *memTx) Uses(_ context.Context, _ media.ID, limit int) ([]string, error) {
	all := append(slices.Clone(tx.drafts), tx.planned...)
	return all[:min(len(all), limit)], nil
}

func (tx *memTx) Detach(context.Context, media.ID) error {
	tx.drafts = nil
	return nil
}

func (tx *memTx) Media(_ context.Context, id media.ID) (*media.Media, error) {
	m, ok := tx.files[id]
	if !ok {
		return nil, media.ErrNotFound()
	}
	return &m, nil
}

func (tx *memTx) Some(_ context.Context, ids []media.ID) ([]*media.Media, error) {
	return tx.pick(0, func(m media.Media) bool { return slices.Contains(ids, m.ID) }), nil
}

func (tx *memTx) Page(_ context.Context, before media.ID, limit int) ([]*media.Media, error) {
	return tx.pick(limit, func(m media.Media) bool {
		return m.State == media.Ready && (before == "" || m.ID < before)
	}), nil
}

func (tx *memTx) Stale(_ context.Context, before time.Time, limit int) ([]*media.Media, error) {
	return tx.pick(limit, func(m media.Media) bool {
		return m.State != media.Ready && m.CreatedAt.Before(before)
	}), nil
}

// pick returns matching rows, newest first; limit 0 is none.
func (tx *memTx) pick(limit int, match func(media.Media) bool) []*media.Media {
	var out []*media.Media
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(tx.files))) {
		if m := tx.files[id]; match(m) && (limit == 0 || len(out) < limit) {
			out = append(out, &m)
		}
	}
	return out
}

func (tx *memTx) Save(_ context.Context, m *media.Media) error {
	if err := m.Check(); err != nil {
		return err
	}
	if old, ok := tx.files[m.ID]; ok != (m.Version > 0) || old.Version != m.Version {
		return media.ErrStale()
	}
	m.Version++
	tx.files[m.ID] = *m
	return nil
}

func (tx *memTx) Drop(_ context.Context, id media.ID) error {
	delete(tx.files, id)
	return nil
}

func (tx *memTx) Announce(_ context.Context, m *media.Media) error {
	tx.announced = append(tx.announced, m.ID)
	return nil
}

func (tx *memTx) Lament(_ context.Context, id media.ID) error {
	tx.lamented = append(tx.lamented, id)
	return nil
}
