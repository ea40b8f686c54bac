// Package brandingtest has a branding.Store for tests and the contract that
// both it and the real one must meet.
package brandingtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/branding"
)

// Store is a branding.Store in memory. Its zero value has no brand, and every
// tenant it is not told the place of is alone.
type Store struct {
	mu     sync.Mutex
	brands map[tenants.ID]branding.Brand
	Above  map[tenants.ID]tenants.ID // by tenant
	Names  map[tenants.ID]string
}

// Layers implements branding.Store.
func (s *Store) Layers(_ context.Context, tenant tenants.ID) (layers []branding.Layer, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; tenant != ""; tenant = s.Above[tenant] {
		if b, ok := s.brands[tenant]; ok {
			layers = append(layers, branding.Layer{Tenant: tenant, Name: s.Names[tenant], Brand: b})
		}
	}
	return layers, nil
}

// Save implements branding.Store.
func (s *Store) Save(_ context.Context, tenant tenants.ID, b *branding.Brand, e audit.Entry) error {
	if err := b.Check(); err != nil {
		return err
	}
	if err := e.Check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.brands[tenant].Version != b.Version {
		return fault.New(fault.Conflict, "stale", "Someone else changed this.")
	}
	b.Version++
	if s.brands == nil {
		s.brands = map[tenants.ID]branding.Brand{}
	}
	s.brands[tenant] = *b
	return nil
}

// Run is the contract of a branding.Store. tree returns a tenant of the name
// "parent", one below it of the name "child", and one beside of another.
func Run(t *testing.T, s branding.Store, tree func(*testing.T) (parent, child, other tenants.ID)) {
	save := func(t *testing.T, tenant tenants.ID, b branding.Brand) error {
		t.Helper()
		b.UpdatedAt = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
		return s.Save(t.Context(), tenant, &b, audit.Of("system", "test", ""))
	}
	t.Run("the nearest comes first, and nobody else's", func(t *testing.T) {
		parent, child, other := tree(t)
		for tenant, product := range map[tenants.ID]string{parent: "Parent", child: "Child", other: "Other"} {
			if err := save(t, tenant, branding.Brand{Product: product, Support: "a@example.com", Accent: "#102030", Surface: "#ffffff", Ink: "#000000"}); err != nil {
				t.Fatal(err)
			}
		}
		layers, err := s.Layers(t.Context(), child)
		if err != nil {
			t.Fatal(err)
		}
		brand := func(product string) branding.Brand {
			return branding.Brand{
				Product: product, Support: "a@example.com", Accent: "#102030", Surface: "#ffffff", Ink: "#000000", Version: 1,
				UpdatedAt: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC),
			}
		}
		want := []branding.Layer{{Tenant: child, Name: "child", Brand: brand("Child")}, {Tenant: parent, Name: "parent", Brand: brand("Parent")}}
		if diff := cmp.Diff(want, layers); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a stale save is refused", func(t *testing.T) {
		parent, _, _ := tree(t)
		for _, step := range []struct {
			version int
			refused bool
		}{{0, false}, {0, true}, {1, false}, {1, true}, {7, true}} {
			err := save(t, parent, branding.Brand{Product: "P", Version: step.version})
			if step.refused != fault.Is(err, fault.Conflict) {
				t.Errorf("%+v: %v", step, err)
			}
		}
	})
	t.Run("nothing is said of nobody", func(t *testing.T) {
		if layers, err := s.Layers(t.Context(), tenants.NewID()); err != nil || len(layers) != 0 {
			t.Errorf("%v, %v", layers, err)
		}
	})
}
