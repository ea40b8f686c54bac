package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/carillonhq/carillon/tenants"
)

// sealBatch is how many entries one transaction seals.
const sealBatch = 2000

// Sealer chains and signs what was written since it last came by.
type Sealer struct {
	chains Chains
	keys   *Keys
}

// NewSealer returns a Sealer. Every argument is required.
func NewSealer(chains Chains, keys *Keys) *Sealer { return &Sealer{chains: chains, keys: keys} }

// Run seals everything that waits, and says how many entries that were. A
// chain whose end is not what was signed is not gone on with: that would
// vouch for it. The others are, and the error names it.
func (s *Sealer) Run(ctx context.Context) (n int, err error) {
	broken := map[tenants.ID]error{}
	for {
		some, failed, err := s.chains.Waiting(ctx, sealBatch, broken, s.keys.seal)
		n += some
		if err != nil {
			return n, err
		}
		maps.Copy(broken, failed)
		if some == 0 && len(failed) == 0 {
			return n, joined(broken)
		}
	}
}

// Renew signs the end of every chain with the current key, where an older one
// did. After that the older keys are of no more use: what a head vouches for
// includes all that came before. It returns how many chains that were.
func (s *Sealer) Renew(ctx context.Context) (n int, err error) {
	for after := tenants.ID(""); ; {
		books, err := s.chains.Books(ctx, after, verifyPage)
		if err != nil {
			return n, err
		}
		for _, tenant := range books {
			done, err := s.renew(ctx, tenant)
			if err != nil {
				return n, fmt.Errorf("audit of %s: %w", tenant, err)
			}
			if done {
				n++
			}
			after = tenant
		}
		if len(books) < verifyPage {
			return n, nil
		}
	}
}

func (s *Sealer) renew(ctx context.Context, tenant tenants.ID) (bool, error) {
	h, err := s.chains.Last(ctx, tenant)
	if err != nil || h == nil || h.Key == s.keys.name() {
		return false, err
	}
	if !s.keys.Signed(tenant, *h) {
		return false, errForged()
	}
	h.SealedAt = h.SealedAt.Add(time.Microsecond) // so that it is the latest
	return true, s.chains.AddHead(ctx, tenant, s.keys.sign(tenant, *h))
}

func joined(broken map[tenants.ID]error) error {
	var errs []error
	for _, tenant := range slices.Sorted(maps.Keys(broken)) {
		errs = append(errs, fmt.Errorf("audit of %s: %w", tenant, broken[tenant]))
	}
	return errors.Join(errs...)
}
