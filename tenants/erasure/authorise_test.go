package erasure_test

import (
	"testing"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/erasure"
	"github.com/carillonhq/carillon/tenants/tenantstest"
)

// Every use case asks whether it may before it does anything.
func TestEveryUseCaseAuthorises(t *testing.T) {
	tenantstest.Authorises(t, func(a tenants.Authorizer) any { return erasure.New(nil, nil, a, 0, nil) }, nil)
}
