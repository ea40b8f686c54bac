package bluesky_test

import (
	"testing"

	"github.com/carillonhq/carillon/plugins/bluesky"
	"github.com/carillonhq/carillon/plugins/sdk"
)

func TestHostsTakeTheManifest(t *testing.T) {
	if _, err := sdk.Describe(bluesky.New(bluesky.Options{})); err != nil {
		t.Error(err)
	}
}
