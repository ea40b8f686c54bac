package media_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/media/mediatest"
	"github.com/carillonhq/carillon/tenants"
)

func TestFakeStore(t *testing.T) {
	mediatest.Run(t, func(*testing.T) (media.Store, tenants.ID, tenants.ID) {
		return &mediatest.Store{}, tenants.NewID(), tenants.NewID()
	})
}
