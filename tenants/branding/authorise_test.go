package branding_test

import (
	"testing"

	"github.com/carillonhq/carillon/tenants/branding"
	"github.com/carillonhq/carillon/tenants/tenantstest"
)

// Every use case asks whether it may before it does anything.
func TestEveryUseCaseAuthorises(t *testing.T) {
	tenantstest.Authorises(t, branding.New(nil, tenantstest.Nobody{}, branding.Brand{}, nil), nil)
}
