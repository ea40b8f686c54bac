package idempotency_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/idempotency/idempotencytest"
	"github.com/carillonhq/carillon/tenants"
)

func TestMemory(t *testing.T) {
	idempotencytest.Run(t, func(*testing.T) idempotencytest.Opened {
		s := idempotencytest.NewStore()
		return idempotencytest.Opened{
			Store: s, Us: tenants.NewID(), Them: tenants.NewID(), Apply: s.Apply, Late: func(*testing.T) { s.Late() },
		}
	})
}
