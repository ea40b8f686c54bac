package media_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/tenants/tenantstest"
)

// Every use case asks whether it may before it does anything.
func TestEveryUseCaseAuthorises(t *testing.T) {
	tenantstest.Authorises(t, media.New(nil, nil, nil, nil, tenantstest.Nobody{}, nil), nil)
}
