package jobs_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/tenants/tenantstest"
)

// Every use case asks whether it may before it does anything.
func TestEveryUseCaseAuthorises(t *testing.T) {
	tenantstest.Authorises(t, jobs.New(nil, tenantstest.Nobody{}), nil)
}
