package telegram_test

import (
	"testing"

	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/telegram"
)

func TestHostsTakeTheManifest(t *testing.T) {
	p, err := telegram.New(declarative.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sdk.Describe(p); err != nil {
		t.Error(err)
	}
}
