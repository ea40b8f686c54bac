package registry

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// seats is how many people a tenant of a plan may have; a plan that is not
// here names no number.
var seats = map[tenants.Tier]int{tenants.Free: 3, tenants.Creator: 5, tenants.Pro: 15}

// Seats is how many members a tenant of that plan may have, 0 for any number.
func Seats(tier tenants.Tier) int { return seats[tier] }

// seat returns fault.Quota if there is none left for one more. Whoever is
// invited has one already, which they bring: asked tells the two apart.
func seat(ctx context.Context, tx Tx, tier tenants.Tier, now time.Time, asked bool) error {
	members, waiting, err := tx.Seats(ctx, now)
	if err != nil {
		return err
	}
	if asked && waiting >= MaxInvitations {
		return fault.New(fault.Quota, "invitation.too_many", "At most %d invitations can wait. Revoke some first.", MaxInvitations).Knowing(fault.Facts{Limit: MaxInvitations})
	}
	if asked {
		members += waiting
	}
	if n := Seats(tier); n > 0 && members >= n {
		return fault.New(fault.Quota, "member.no_seat", "Your plan has %d seats, and all are taken or promised.", n).
			Knowing(fault.Facts{Plan: string(tier), NeededPlan: string(larger(tier)), Limit: n})
	}
	return nil
}

// larger is the least plan that has more seats.
func larger(than tenants.Tier) tenants.Tier {
	for _, tier := range tenants.Tiers() {
		if n := Seats(tier); n == 0 || n > Seats(than) {
			return tier
		}
	}
	return ""
}
