package rules

import (
	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// Count measures text in rule's unit: textcount.Count, which plugins count with
// as well.
func Count(rule social.TextRule, text string) int { return textcount.Count(rule, text) }

// Links lists what counts as a link in text: addresses with a scheme, and with
// bare also domains without one, as X finds them.
func Links(text string, bare bool) []string { return textcount.Links(text, bare) }
