package channels_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/channels/channelstest"
	"github.com/carillonhq/carillon/tenants"
)

func TestMemoryStore(t *testing.T) {
	channelstest.Run(t, func(*testing.T) channelstest.Opened {
		return channelstest.Opened{Store: new(channelstest.Store), Us: tenants.NewID(), Them: tenants.NewID()}
	})
}
