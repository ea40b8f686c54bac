package discord_test

import (
	"testing"

	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/plugins/discord"
	"github.com/carillonhq/carillon/plugins/sdk"
)

func TestHostsTakeTheManifest(t *testing.T) {
	p, err := discord.New(declarative.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sdk.Describe(p); err != nil {
		t.Error(err)
	}
}
