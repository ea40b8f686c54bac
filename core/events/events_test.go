package events_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/events/eventstest"
	"github.com/carillonhq/carillon/tenants"
)

func TestMemoryStore(t *testing.T) {
	eventstest.Run(t, func(*testing.T) (events.Store, tenants.ID, tenants.ID) {
		return new(eventstest.Store), tenants.NewID(), tenants.NewID()
	})
}
