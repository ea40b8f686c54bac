// Package catalogtest holds the contract of catalog.Store as a test suite, a
// store in memory that keeps it, and doubles of what a Service works with.
package catalogtest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit/audittest"
)

// A Node is a tenant as the store has to know it.
type Node struct {
	Parent tenants.ID
	Kind   tenants.Kind
	Tier   tenants.Tier // empty: its parent's
}

// Event is one that a transaction emitted.
type Event struct {
	Tenant  tenants.ID
	Type    string
	Subject string
	Data    catalog.EventData
}

// Store is a catalog.Store in memory.
type Store struct {
	mu     sync.Mutex
	tree   map[tenants.ID]Node
	rooms  map[tenants.ID]room
	Events []Event
}

// room is what one tenant keeps. Its maps are replaced, never changed.
type room struct {
	plugins  map[string]catalog.Plugin
	versions []catalog.Version // the last added first
	keys     map[string]catalog.Key
	choices  map[string]catalog.Choice
}

var _ catalog.Store = (*Store)(nil)

// NewStore returns a store that knows these tenants.
func NewStore(tree map[tenants.ID]Node) *Store {
	return &Store{tree: tree, rooms: map[tenants.ID]room{}}
}

// View implements catalog.Store.
func (s *Store) View(ctx context.Context, t tenants.ID, fn func(context.Context, catalog.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fn(ctx, &tx{tenant: t, room: s.rooms[t].clone()})
}

// Update implements catalog.Store.
func (s *Store) Update(ctx context.Context, t tenants.ID, fn func(context.Context, catalog.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := &tx{tenant: t, room: s.rooms[t].clone()}
	if err := fn(ctx, tx); err != nil {
		return err
	}
	s.rooms[t], s.Events = tx.room, append(s.Events, tx.events...)
	return nil
}

func (r room) clone() room {
	out := room{
		plugins: map[string]catalog.Plugin{}, keys: map[string]catalog.Key{}, choices: map[string]catalog.Choice{},
		versions: slices.Clone(r.versions),
	}
	maps.Copy(out.plugins, r.plugins)
	maps.Copy(out.keys, r.keys)
	maps.Copy(out.choices, r.choices)
	return out
}

func (s *Store) operator() room {
	for t, n := range s.tree {
		if n.Kind == tenants.Operator {
			return s.rooms[t]
		}
	}
	return room{}
}

// Instance implements catalog.Store.
func (s *Store) Instance(context.Context) ([]catalog.Line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op := s.operator()
	var out []catalog.Line
	for _, id := range slices.Sorted(maps.Keys(op.plugins)) {
		l := catalog.Line{Plugin: op.plugins[id]}
		l.Plugin.Grants.Tenants = nil
		for i, v := range op.versions {
			if v.Plugin == id && v.Digest == l.Plugin.Active {
				l.Active = &op.versions[i]
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// Closed implements catalog.Store.
func (s *Store) Closed(_ context.Context, t tenants.ID) (map[string]catalog.Reason, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, known := map[string]catalog.Reason{}, maps.Clone(s.operator().plugins)
	if known == nil {
		known = map[string]catalog.Plugin{}
	}
	for _, up := range s.line(t) { // a builtin that only its users said something about
		for id := range s.rooms[up].choices {
			if _, ok := known[id]; !ok {
				known[id] = catalog.Plugin{ID: id, Level: catalog.BuiltIn, State: catalog.Enabled, Grants: catalog.Grants{Tiers: tenants.Tiers()}}
			}
		}
	}
	for id, p := range known {
		if why := s.why(p, s.line(t)); why != catalog.Open {
			out[id] = why
		}
	}
	return out, nil
}

// line is t and every tenant above it, nearest first.
func (s *Store) line(t tenants.ID) (out []tenants.ID) {
	for t != "" {
		out = append(out, t)
		t = s.tree[t].Parent
	}
	return out
}

func (s *Store) why(p catalog.Plugin, line []tenants.ID) catalog.Reason {
	if !p.Runs() {
		return catalog.ClosedForAll
	}
	word, said := false, false
	tier := tenants.Tier("")
	yes, no := false, false
	for _, t := range line {
		if w, ok := p.Grants.Tenants[t]; ok && !said {
			word, said = w, true
		}
		tier = cmp.Or(tier, s.tree[t].Tier)
		if c, ok := s.rooms[t].choices[p.ID]; ok {
			yes, no = yes || c.On, no || !c.On
		}
	}
	switch {
	case said && !word, !said && !slices.Contains(p.Grants.Tiers, cmp.Or(tier, tenants.Free)):
		return catalog.ClosedByPlan
	case no, p.Grants.OptIn && !yes:
		return catalog.ClosedByChoice
	}
	return catalog.Open
}

type tx struct {
	audittest.Recorder
	tenant tenants.ID
	room
	events []Event
}

func (tx *tx) Plugin(_ context.Context, id string) (*catalog.Plugin, error) {
	p, ok := tx.plugins[id]
	if !ok {
		return nil, catalog.ErrNotFound()
	}
	return &p, nil
}

func (tx *tx) Plugins(context.Context) ([]catalog.Plugin, error) {
	return slices.SortedFunc(maps.Values(tx.plugins), func(a, b catalog.Plugin) int { return cmp.Compare(a.ID, b.ID) }), nil
}

func (tx *tx) SavePlugin(_ context.Context, p *catalog.Plugin) error {
	if err := p.Check(); err != nil {
		return err
	}
	if tx.plugins[p.ID].Row != p.Row {
		return catalog.ErrStale()
	}
	p.Row++
	kept := *p
	kept.Grants.Tenants = maps.Clone(p.Grants.Tenants)
	kept.Grants.Tiers = slices.Clone(p.Grants.Tiers)
	tx.plugins[p.ID] = kept
	return nil
}

func (tx *tx) Version(_ context.Context, plugin, digest string) (*catalog.Version, error) {
	for _, v := range tx.versions {
		if v.Plugin == plugin && v.Digest == digest {
			return &v, nil
		}
	}
	return nil, catalog.ErrNotFound()
}

func (tx *tx) Versions(_ context.Context, plugin string) (out []catalog.Version, err error) {
	for _, v := range tx.versions {
		if v.Plugin == plugin {
			out = append(out, v)
		}
	}
	return out, nil
}

func (tx *tx) SaveVersion(_ context.Context, v *catalog.Version) error {
	for i := range tx.versions {
		if tx.versions[i].Digest == v.Digest && tx.versions[i].Plugin == v.Plugin {
			kept := *v
			kept.AddedAt, kept.AddedBy, kept.Ran = tx.versions[i].AddedAt, tx.versions[i].AddedBy, v.Ran || tx.versions[i].Ran
			tx.versions[i] = kept
			return nil
		}
	}
	tx.versions = append([]catalog.Version{*v}, tx.versions...)
	slices.SortStableFunc(tx.versions, func(a, b catalog.Version) int { return b.AddedAt.Compare(a.AddedAt) })
	return nil
}

func (tx *tx) DropVersion(_ context.Context, plugin, digest string) error {
	tx.versions = slices.DeleteFunc(tx.versions, func(v catalog.Version) bool { return v.Plugin == plugin && v.Digest == digest })
	return nil
}

func (tx *tx) Keys(context.Context) ([]catalog.Key, error) {
	return slices.SortedFunc(maps.Values(tx.keys), func(a, b catalog.Key) int { return cmp.Compare(a.ID, b.ID) }), nil
}

func (tx *tx) SaveKey(_ context.Context, k catalog.Key) error {
	tx.keys[k.ID] = k
	return nil
}

func (tx *tx) DropKey(_ context.Context, id string) error {
	if _, ok := tx.keys[id]; !ok {
		return catalog.ErrNotFound()
	}
	delete(tx.keys, id)
	return nil
}

func (tx *tx) Choices(context.Context) (map[string]catalog.Choice, error) {
	return maps.Clone(tx.choices), nil
}

func (tx *tx) SaveChoice(_ context.Context, plugin string, c catalog.Choice) error {
	tx.choices[plugin] = c
	return nil
}

func (tx *tx) Emit(_ context.Context, event, subject string, data any) error {
	d, _ := data.(catalog.EventData)
	tx.events = append(tx.events, Event{tx.tenant, event, subject, d})
	return nil
}
