// Package discord is the plugin for Discord channels by a webhook. It is one file,
// plugin.yaml, run by package declarative. Start there.
package discord

import (
	_ "embed"

	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/ports/social"
)

//go:embed plugin.yaml
var file []byte

// New makes the plugin.
func New(opt declarative.Options) (social.Platform, error) {
	return declarative.Load("plugins/discord/plugin.yaml", file, opt)
}
