package jobs

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/tenants"
)

// shelves are tenants with stale files; those in broken cannot be swept.
type shelves struct {
	stale, broken, swept []tenants.ID
	before               time.Time
}

func (s *shelves) StaleMedia(_ context.Context, before time.Time, _ int) ([]tenants.ID, error) {
	s.before = before
	return s.stale, nil
}

func (s *shelves) Sweep(_ context.Context, who tenants.Scope) (int, error) {
	if slices.Contains(s.broken, who.Tenant) {
		return 0, errors.New("the store is away")
	}
	s.swept = append(s.swept, who.Tenant)
	return 1, nil
}

func TestTheMediaSweepReachesEveryTenant(t *testing.T) {
	a, b, c := tenants.NewID(), tenants.NewID(), tenants.NewID()
	s := &shelves{stale: []tenants.ID{a, b, c}, broken: []tenants.ID{b}}
	if err := sweepMedia(t.Context(), s, s); err == nil {
		t.Error("what could not be swept is not told")
	}
	if !slices.Equal(s.swept, []tenants.ID{a, c}) {
		t.Errorf("swept %v", s.swept)
	}
	if ago := time.Since(s.before); ago < media.SweepAfter || ago > media.SweepAfter+time.Minute {
		t.Errorf("looked for files from before %s ago", ago)
	}
}
