package vault

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Renew gives t a further data key, which seals from now on. Secrets sealed
// before open as before.
func (e *Envelope) Renew(ctx context.Context, t tenants.ID) error {
	_, err := e.renew(ctx, t)
	return err
}

// renew returns the keys with the new one. None is made while one before it
// cannot be opened.
func (e *Envelope) renew(ctx context.Context, t tenants.ID) (ring, error) {
	r, err := e.load(ctx, t)
	if err != nil {
		return ring{}, err
	}
	if err := e.addKey(ctx, t, r.newest+1); err != nil {
		return ring{}, err
	}
	return e.load(ctx, t)
}

func (e *Envelope) addKey(ctx context.Context, t tenants.ID, number int) error {
	key := make([]byte, KeySize)
	_, _ = rand.Read(key) // never fails, see crypto/rand
	wrapped, err := e.keeper.Wrap(ctx, key, wrapping(t, number))
	if err != nil {
		return err
	}
	return e.keys.AddKey(ctx, t, DataKey{Number: number, Wrapped: wrapped})
}

// Destroy removes t's data keys for good: nothing that was sealed for t opens
// any more, here and in every copy of the database from now on, and nothing
// further is sealed for it. Other processes forget the keys within five
// minutes, see cacheLife. Doing it twice is harmless.
func (e *Envelope) Destroy(ctx context.Context, t tenants.ID) error {
	if err := e.keys.Destroy(ctx, t); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.cache, t)
	return nil
}

// wrapBatch is how many keys Rotate fetches at a time.
const wrapBatch = 500

// Rotate wraps every data key by the keeper's current key, and the keys that are
// kept, and returns how many there were. It may run beside everything else, also
// beside a change of the current key, and again after a crash.
func (e *Envelope) Rotate(ctx context.Context, p Progress) (n int, err error) {
	for {
		have, err := e.keeper.Keys(ctx) // each time: another one may be current by now
		if err != nil {
			return n, err
		}
		some, err := e.rewrapKept(ctx, have.Current)
		n += some
		if err != nil {
			return n, err
		}
		old, err := e.keys.OldKeys(ctx, have.Current, wrapBatch)
		if err != nil || len(old) == 0 {
			return n, err
		}
		for _, k := range old {
			if err := e.rewrap(ctx, k); fault.Is(err, fault.Conflict) {
				continue // somebody else did it
			} else if err != nil {
				return n, fmt.Errorf("data key %d of %s: %w", k.Number, k.Tenant, err)
			}
			n++
			p.tell("wrapped anew", n)
		}
	}
}

func (e *Envelope) rewrap(ctx context.Context, k OldKey) error {
	key, err := e.unwrap(ctx, k.Tenant, k.DataKey)
	if err != nil {
		return err
	}
	wrapped, err := e.keeper.Wrap(ctx, key, wrapping(k.Tenant, k.Number))
	if err != nil {
		return err
	}
	return e.keys.Rewrap(ctx, k, wrapped)
}

func (e *Envelope) unwrap(ctx context.Context, t tenants.ID, k DataKey) ([]byte, error) {
	return e.keeper.Unwrap(ctx, k.Wrapped, wrapping(t, k.Number))
}

// wrapping binds a wrapped key to its tenant and number.
func wrapping(t tenants.ID, number int) []byte {
	return binary.BigEndian.AppendUint32(bound(t, "tenant_keys"), uint32(number))
}

// Kept returns the key of a name that stays the same for as long as there is
// this installation, whatever becomes of the master keys: names that others
// remember are made with it. The first time, it is first.
func (e *Envelope) Kept(ctx context.Context, name string, first []byte) ([]byte, error) {
	w, err := e.keys.Kept(ctx, name)
	if fault.Is(err, fault.NotFound) {
		if w, err = e.keeper.Wrap(ctx, first, keeping(name)); err == nil {
			w, err = e.keys.Keep(ctx, name, w)
		}
	}
	if err != nil {
		return nil, err
	}
	return e.keeper.Unwrap(ctx, w, keeping(name))
}

func keeping(name string) []byte { return bound("", "kept_keys/"+name) }

// rewrapKept is Rotate for the keys that stay. Their names are few.
func (e *Envelope) rewrapKept(ctx context.Context, current string) (n int, err error) {
	for _, name := range []string{Pseudonym} {
		w, err := e.keys.Kept(ctx, name)
		if fault.Is(err, fault.NotFound) || err == nil && w.Key == current {
			continue
		}
		if err != nil {
			return n, err
		}
		key, err := e.keeper.Unwrap(ctx, w, keeping(name))
		if err != nil {
			return n, fmt.Errorf("kept key %s: %w", name, err)
		}
		next, err := e.keeper.Wrap(ctx, key, keeping(name))
		if err != nil {
			return n, err
		}
		if err := e.keys.RewrapKept(ctx, name, w, next); err != nil && !fault.Is(err, fault.Conflict) {
			return n, err
		}
		n++
	}
	return n, nil
}
