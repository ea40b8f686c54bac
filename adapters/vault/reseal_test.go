package vault_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/kms"
	"github.com/carillonhq/carillon/tenants"
)

// boxes are one tenant's, of one column, by row.
type boxes struct {
	store  *keys
	tenant tenants.ID
	sealed map[string][]byte
}

func (b *boxes) Holders(_ context.Context, after tenants.ID, _ int) ([]tenants.ID, error) {
	if after >= b.tenant {
		return nil, nil
	}
	return []tenants.ID{b.tenant}, nil
}

func (b *boxes) Older(_ context.Context, _ tenants.ID, newest int, after vault.Box, limit int) (out []vault.Box, err error) {
	for name, sealed := range b.sealed {
		if int(sealed[4]) != newest && name > after.Row {
			out = append(out, vault.Box{Column: "x.sealed", Row: name, Place: name, Sealed: sealed})
		}
	}
	slices.SortFunc(out, func(a, b vault.Box) int { return int(a.Row[0]) - int(b.Row[0]) })
	return out[:min(len(out), limit)], nil
}

func (b *boxes) Replace(_ context.Context, _ tenants.ID, box vault.Box, fresh []byte) (bool, error) {
	b.sealed[box.Row] = fresh
	return true, nil
}

func (b *boxes) DropKeys(_ context.Context, t tenants.ID, newest int) (int, error) {
	n := len(b.store.all[t])
	b.store.all[t] = slices.DeleteFunc(b.store.all[t], func(k vault.DataKey) bool { return k.Number < newest })
	return n - len(b.store.all[t]), nil
}

// counting is a keeper that counts what it is asked to open.
type counting struct {
	kms.Keeper
	opened int
}

func (k *counting) Unwrap(ctx context.Context, w kms.Wrapped, bound []byte) ([]byte, error) {
	k.opened++
	return k.Keeper.Unwrap(ctx, w, bound)
}

// Who only wants to know what is left, or to drop it, opens no key: one may
// not be configured, and a keeper may be far away.
func TestNothingIsOpenedToCount(t *testing.T) {
	store := new(keys)
	e := envelope(t, store, map[int][]byte{1: kek(1)})
	all := &boxes{store: store, tenant: tenants.NewID(), sealed: map[string][]byte{}}
	for _, name := range []string{"a", "b"} {
		box, err := e.Seal(t.Context(), all.tenant, name, []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		all.sealed[name] = box
	}
	if err := e.Renew(t.Context(), all.tenant); err != nil {
		t.Fatal(err)
	}
	far := &counting{Keeper: vault.Single(kek(2))} // which opens none of them
	stranger := vault.NewEnvelope(store, far, time.Now)
	if n, older, err := stranger.Waiting(t.Context(), all); err != nil || n["x.sealed"] != 2 || older != 1 {
		t.Errorf("%v, %d older, %v", n, older, err)
	}
	if dropped, left, err := stranger.Drop(t.Context(), all); err != nil || dropped != 0 || left != 1 {
		t.Errorf("dropped %d, left %d, %v", dropped, left, err)
	}
	if n, err := e.Replace(t.Context(), all, false, nil); err != nil || n != 2 {
		t.Fatalf("%d, %v", n, err)
	}
	if dropped, left, err := stranger.Drop(t.Context(), all); err != nil || dropped != 1 || left != 0 {
		t.Errorf("dropped %d, left %d, %v", dropped, left, err)
	}
	if far.opened != 0 {
		t.Errorf("%d opened", far.opened)
	}
}

// Making a further key and sealing by it opens the keys before it once, and then
// all of them, however many boxes there are.
func TestSealingAnewOpensKeysTwice(t *testing.T) {
	store := new(keys)
	near := &counting{Keeper: vault.Single(kek(1))}
	e := vault.NewEnvelope(store, near, time.Now)
	all := &boxes{store: store, tenant: tenants.NewID(), sealed: map[string][]byte{}}
	box, err := e.Seal(t.Context(), all.tenant, "a", []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	all.sealed["a"], near.opened = box, 0
	if n, err := e.Replace(t.Context(), all, true, nil); err != nil || n != 1 || near.opened != 3 {
		t.Errorf("%d boxes, %d keys opened, %v", n, near.opened, err)
	}
}
