// Package telegram is the plugin for Telegram channels and groups by a bot. It is one file,
// plugin.yaml, run by package declarative. Start there.
package telegram

import (
	_ "embed"

	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/ports/social"
)

//go:embed plugin.yaml
var file []byte

// New makes the plugin.
func New(opt declarative.Options) (social.Platform, error) {
	return declarative.Load("plugins/telegram/plugin.yaml", file, opt)
}
