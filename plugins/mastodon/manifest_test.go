package mastodon_test

import (
	"testing"

	"github.com/carillonhq/carillon/plugins/mastodon"
	"github.com/carillonhq/carillon/plugins/sdk"
)

func TestHostsTakeTheManifest(t *testing.T) {
	if _, err := sdk.Describe(mastodon.New(mastodon.Options{})); err != nil {
		t.Error(err)
	}
}
