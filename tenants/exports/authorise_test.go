package exports_test

import (
	"testing"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/exports"
	"github.com/carillonhq/carillon/tenants/tenantstest"
)

// Every use case asks whether it may before it does anything.
func TestEveryUseCaseAuthorises(t *testing.T) {
	tenantstest.Authorises(t, func(a tenants.Authorizer) any { return exports.New(nil, nil, a, nil) }, nil)
}
