package vault_test

import (
	"context"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/kms"
	"github.com/carillonhq/carillon/tenants"
)

// turning is a keeper whose current key changes after some wraps. It gives up
// after many, which whoever would go on for ever notices.
type turning struct {
	rings []*vault.Ring
	after int
	wraps int
}

func (k *turning) ring() *vault.Ring {
	if k.wraps < k.after {
		return k.rings[0]
	}
	return k.rings[1]
}

func (k *turning) Wrap(ctx context.Context, key, bound []byte) (kms.Wrapped, error) {
	ring := k.ring()
	if k.wraps++; k.wraps > 1000 {
		return kms.Wrapped{}, fault.New(fault.Internal, "test.endless", "It does not end.")
	}
	return ring.Wrap(ctx, key, bound)
}

func (k *turning) Unwrap(ctx context.Context, w kms.Wrapped, bound []byte) ([]byte, error) {
	return k.ring().Unwrap(ctx, w, bound)
}

func (k *turning) Keys(ctx context.Context) (kms.Keys, error) { return k.ring().Keys(ctx) }

func TestRotatingEndsThoughTheCurrentKeyChanges(t *testing.T) {
	store := new(keys)
	first := envelope(t, store, map[int][]byte{1: kek(1)})
	if _, err := first.Kept(t.Context(), vault.Pseudonym, kek(9)); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := first.Seal(t.Context(), tenants.NewID(), row, []byte(secret)); err != nil {
			t.Fatal(err)
		}
	}
	masters := map[int][]byte{1: kek(1), 2: kek(2), 3: kek(3)}
	k := &turning{rings: []*vault.Ring{ringOf(t, 2, masters), ringOf(t, 3, masters)}, after: 3}
	n, err := vault.NewEnvelope(store, k, time.Now).Rotate(t.Context(), nil)
	if err != nil || n != 9 { // the kept one and two of the five, twice
		t.Errorf("%d keys, %v", n, err)
	}
	if got := store.kept[vault.Pseudonym].Key; got != "master/3" {
		t.Errorf("what is kept: %s", got)
	}
	for who, all := range store.all {
		if all[0].Key != "master/3" {
			t.Errorf("%s: %s", who, all[0].Key)
		}
	}
}
