package vault

import (
	"context"
	"fmt"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Boxes is everything that an Envelope sealed, wherever it is kept.
type Boxes interface {
	// Holders lists up to limit tenants that have data keys, by ID and after one.
	Holders(ctx context.Context, after tenants.ID, limit int) ([]tenants.ID, error)
	// Older lists up to limit boxes of t that another data key than newest
	// sealed, in a fixed order and after one; the zero Box is before all.
	Older(ctx context.Context, t tenants.ID, newest int, after Box, limit int) ([]Box, error)
	// Replace puts fresh in a box, and reports false if what was in it is not
	// there any more.
	Replace(ctx context.Context, t tenants.ID, b Box, fresh []byte) (bool, error)
	// DropKeys removes t's data keys below newest, if newest is older than every
	// memory of the keys before it, and reports how many.
	DropKeys(ctx context.Context, t tenants.ID, newest int) (int, error)
}

// A Box is one thing that is sealed.
type Box struct {
	Column string // such as "channel_grants.sealed"
	Row    string // which, within its tenant
	Place  string // see Seal
	Sealed []byte
}

// resealBatch is how many boxes are fetched at a time.
const resealBatch = 200

// Progress is told how far a rotation is. It may be nil.
type Progress func(what string, done int)

func (p Progress) tell(what string, done int) {
	if p != nil {
		p(what, done)
	}
}

// Replace gives every tenant a new data key, unless fresh says that it need not,
// and seals by it what older ones sealed. It returns how many boxes that were.
// It may run beside everything else; after a crash, run it with fresh false and
// it goes on.
func (e *Envelope) Replace(ctx context.Context, all Boxes, fresh bool, p Progress) (n int, err error) {
	err = e.each(ctx, all, func(t tenants.ID) error {
		r, err := ring{}, error(nil)
		if fresh {
			r, err = e.renew(ctx, t)
		}
		if !fresh || fault.Is(err, fault.Conflict) { // somebody else just did
			r, err = e.load(ctx, t)
		}
		if err != nil {
			return err
		}
		some, err := e.reseal(ctx, all, t, r.newest)
		n += some
		p.tell("sealed anew", n)
		return err
	})
	return n, err
}

// Drop removes the data keys that nothing is sealed by any more. A key is kept
// while another process may still remember it as the newest. It returns how many
// went, and how many tenants still have older ones.
func (e *Envelope) Drop(ctx context.Context, all Boxes) (dropped, left int, err error) {
	err = e.each(ctx, all, func(t tenants.ID) error {
		newest, older, err := e.numbers(ctx, t)
		if err != nil || older == 0 {
			return err
		}
		rest, err := all.Older(ctx, t, newest, Box{}, 1)
		if err != nil {
			return err
		}
		gone := 0
		if len(rest) == 0 {
			if gone, err = all.DropKeys(ctx, t, newest); err != nil {
				return err
			}
		}
		dropped += gone
		if gone == 0 {
			left++
		}
		return nil
	})
	return dropped, left, err
}

// Waiting counts by column what older data keys than a tenant's newest sealed,
// and the data keys that are not the newest.
func (e *Envelope) Waiting(ctx context.Context, all Boxes) (boxes map[string]int, older int, err error) {
	boxes = map[string]int{}
	err = e.each(ctx, all, func(t tenants.ID) error {
		newest, some, err := e.numbers(ctx, t)
		if err != nil {
			return err
		}
		older += some
		for after := (Box{}); some > 0; {
			page, err := all.Older(ctx, t, newest, after, resealBatch)
			if err != nil {
				return err
			}
			for _, b := range page {
				boxes[b.Column]++
				after = b
			}
			if len(page) < resealBatch {
				break
			}
		}
		return nil
	})
	return boxes, older, err
}

// numbers is t's newest data key, and how many there are besides. None is opened.
func (e *Envelope) numbers(ctx context.Context, t tenants.ID) (newest, older int, err error) {
	all, err := e.keys.Keys(ctx, t)
	for _, k := range all {
		newest = max(newest, k.Number)
	}
	return newest, max(0, len(all)-1), err
}

func (e *Envelope) each(ctx context.Context, all Boxes, fn func(tenants.ID) error) error {
	for after := tenants.ID(""); ; {
		page, err := all.Holders(ctx, after, wrapBatch)
		if err != nil {
			return err
		}
		for _, t := range page {
			if err := fn(t); err != nil {
				return fmt.Errorf("keys of %s: %w", t, err)
			}
			after = t
		}
		if len(page) < wrapBatch {
			return nil
		}
	}
}

// reseal goes once along all that is t's. What changes meanwhile is sealed by
// whoever changes it.
func (e *Envelope) reseal(ctx context.Context, all Boxes, t tenants.ID, newest int) (n int, err error) {
	for after := (Box{}); ; {
		page, err := all.Older(ctx, t, newest, after, resealBatch)
		if err != nil {
			return n, err
		}
		for _, b := range page {
			done, err := e.reseal1(ctx, all, t, b)
			if err != nil {
				return n, fmt.Errorf("%s %s: %w", b.Column, b.Row, err)
			}
			if done {
				n++
			}
			after = b
		}
		if len(page) < resealBatch {
			return n, nil
		}
	}
}

func (e *Envelope) reseal1(ctx context.Context, all Boxes, t tenants.ID, b Box) (bool, error) {
	plain, err := e.Open(ctx, t, b.Place, b.Sealed)
	if err != nil {
		return false, err
	}
	fresh, err := e.Seal(ctx, t, b.Place, plain)
	if err != nil {
		return false, err
	}
	return all.Replace(ctx, t, b, fresh)
}
