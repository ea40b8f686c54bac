package identitytest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit/audittest"
)

// Keys is an identity.KeyStore in memory. Its zero value is ready to use.
type Keys struct {
	mu   sync.Mutex
	rows map[identity.KeyID]identity.Holder
}

// View implements identity.KeyStore.
func (k *Keys) View(ctx context.Context, who tenants.ID, fn func(identity.KeyTx) error) error {
	return k.Update(ctx, who, fn)
}

// Update implements identity.KeyStore.
func (k *Keys) Update(_ context.Context, who tenants.ID, fn func(identity.KeyTx) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := clone(k.rows)
	if err := fn(keyTx{who: who, rows: next}); err != nil {
		return err
	}
	k.rows = next
	return nil
}

// Holder implements identity.KeyStore.
func (k *Keys) Holder(_ context.Context, id identity.KeyID) (*identity.Holder, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return get(k.rows, id)
}

// Touch implements identity.KeyStore.
func (k *Keys) Touch(_ context.Context, _ tenants.ID, id identity.KeyID, at time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return change(k.rows, id, func(h *identity.Holder) { h.LastUsedAt = at })
}

type keyTx struct {
	audittest.Recorder
	who  tenants.ID
	rows map[identity.KeyID]identity.Holder
}

func (tx keyTx) Keys(context.Context) ([]identity.Key, error) {
	var list []identity.Key
	for _, h := range tx.rows {
		if h.Tenant == tx.who {
			list = append(list, h.Key)
		}
	}
	slices.SortFunc(list, func(a, b identity.Key) int { return cmp.Compare(b.ID, a.ID) })
	return list, nil
}

func (tx keyTx) Key(_ context.Context, id identity.KeyID) (*identity.Key, error) {
	h, err := get(tx.rows, id)
	if err != nil || h.Tenant != tx.who {
		return nil, none()
	}
	return &h.Key, nil
}

func (tx keyTx) AddKey(_ context.Context, k *identity.Key, hash identity.Hash) error {
	tx.rows[k.ID] = identity.Holder{Key: *k, Hash: hash, Tenant: tx.who}
	return nil
}

func (tx keyTx) EndKey(ctx context.Context, k *identity.Key) error {
	if _, err := tx.Key(ctx, k.ID); err != nil {
		return err
	}
	return change(tx.rows, k.ID, func(h *identity.Holder) { h.ExpiresAt = k.ExpiresAt })
}

func (tx keyTx) RevokeKey(ctx context.Context, k *identity.Key) error {
	if _, err := tx.Key(ctx, k.ID); err != nil {
		return err
	}
	return change(tx.rows, k.ID, func(h *identity.Holder) { h.RevokedAt = k.RevokedAt })
}
