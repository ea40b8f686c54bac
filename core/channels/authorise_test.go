package channels_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/tenants/tenantstest"
)

// Every use case asks whether it may before it does anything.
func TestEveryUseCaseAuthorises(t *testing.T) {
	tenantstest.Authorises(t, channels.New(channels.Deps{Authz: tenantstest.Nobody{}}, channels.Config{}), nil)
}
