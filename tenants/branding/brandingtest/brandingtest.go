// Package brandingtest has a branding.Store for tests and the contract that
// both it and the real one must meet.
package brandingtest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
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
	Proven map[tenants.ID]bool // whose sender's host is
	Tidied []string            // the pictures that somebody is to look after
}

// Layers implements branding.Store.
func (s *Store) Layers(_ context.Context, tenant tenants.ID) (layers []branding.Layer, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; tenant != ""; tenant = s.Above[tenant] {
		if b, ok := s.brands[tenant]; ok {
			layers = append(layers, branding.Layer{Tenant: tenant, Name: s.Names[tenant], Brand: b, SenderProven: s.Proven[tenant]})
		}
	}
	return layers, nil
}

// Save implements branding.Store.
func (s *Store) Save(_ context.Context, tenant tenants.ID, b *branding.Brand, gone []string, e audit.Entry) error {
	if err := b.Check(); err != nil {
		return err
	}
	if err := e.Check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.brands[tenant].Version != b.Version {
		return fault.New(fault.Conflict, "brand.stale", "Someone else changed this.")
	}
	b.Version++
	if s.brands == nil {
		s.brands = map[tenants.ID]branding.Brand{}
	}
	s.brands[tenant] = *b
	s.Tidied = append(s.Tidied, gone...)
	return nil
}

// Tidy implements branding.Store.
func (s *Store) Tidy(_ context.Context, _ tenants.ID, picture string, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Tidied = append(s.Tidied, picture)
	return nil
}

// Picture implements branding.Store.
func (s *Store) Picture(_ context.Context, host tenants.ID, address string) (tenants.ID, *branding.Picture, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for tenant, b := range s.brands {
		for _, pic := range []*branding.Picture{b.Logo, b.Favicon} {
			if pic != nil && pic.Address == address && (host == "" || s.below(tenant, host) || s.below(host, tenant)) {
				return tenant, pic, nil
			}
		}
	}
	return "", nil, branding.NoPicture()
}

// below reports whether tenant is above, or below it.
func (s *Store) below(tenant, above tenants.ID) bool {
	for ; tenant != ""; tenant = s.Above[tenant] {
		if tenant == above {
			return true
		}
	}
	return false
}

// Run is the contract of a branding.Store. tree returns a tenant of the name
// "parent", one below it of the name "child", and one beside of another.
func Run(t *testing.T, s branding.Store, tree func(*testing.T) (parent, child, other tenants.ID)) {
	save := func(t *testing.T, tenant tenants.ID, b branding.Brand) error {
		t.Helper()
		b.UpdatedAt = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
		return s.Save(t.Context(), tenant, &b, nil, audit.Of("system", "test", ""))
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
	t.Run("a picture is shown on one line of the tree", func(t *testing.T) {
		parent, child, other := tree(t)
		address := strings.TrimPrefix(id.New("x"), "x_")
		b := branding.Brand{
			Product: "C", Favicon: &branding.Picture{ID: id.New("pic"), Address: address, MIME: "image/png", Bytes: 7, Width: 16, Height: 16},
			SenderName: "C Team", Sender: "mail@c.example.com", ReplyTo: "re@c.example.com",
		}
		if err := save(t, child, b); err != nil {
			t.Fatal(err)
		}
		layers, err := s.Layers(t.Context(), child)
		if err != nil || len(layers) != 1 || !cmp.Equal(layers[0].Favicon, b.Favicon) || layers[0].Logo != nil || layers[0].Sender != b.Sender || layers[0].ReplyTo != b.ReplyTo || layers[0].SenderProven {
			t.Errorf("%+v, %v", layers, err)
		}
		for host, there := range map[tenants.ID]bool{"": true, child: true, parent: true, other: false, tenants.NewID(): false} {
			tenant, pic, err := s.Picture(t.Context(), host, address)
			if there && (err != nil || tenant != child || !cmp.Equal(pic, b.Favicon)) || !there && !fault.Is(err, fault.NotFound) {
				t.Errorf("at %q: %s, %+v, %v", host, tenant, pic, err)
			}
		}
		if _, _, err := s.Picture(t.Context(), "", "nothing"); !fault.Is(err, fault.NotFound) {
			t.Errorf("an address that nothing has: %v", err)
		}
		if err := s.Tidy(t.Context(), child, b.Favicon.ID, time.Hour); err != nil {
			t.Error(err)
		}
	})
	t.Run("nothing is said of nobody", func(t *testing.T) {
		if layers, err := s.Layers(t.Context(), tenants.NewID()); err != nil || len(layers) != 0 {
			t.Errorf("%v, %v", layers, err)
		}
	})
}
