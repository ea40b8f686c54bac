package catalog_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/tenants/tenantstest"
)

// Every use case asks whether it may before it does anything.
func TestEveryUseCaseAuthorises(t *testing.T) {
	tenantstest.Authorises(t, catalog.New(catalog.Deps{Authz: tenantstest.Nobody{}}), nil)
}
