package identity_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/identity/identitytest"
	"github.com/carillonhq/carillon/tenants"
)

func TestMemoryStores(t *testing.T) {
	identitytest.RunStore(t, new(identitytest.Store))
	identitytest.RunKeys(t, new(identitytest.Keys), tenants.NewID(), tenants.NewID())
}
