package publishing_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/social"
)

// The attachment at fault is the one that Attach names.
func TestValidationNamesTheAttachment(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	c := w.content("x")
	c.Parts[0].Media = []publishing.Attachment{{Media: "med_1"}, {Media: "med_gone"}, {Media: "med_2"}}
	found, err := w.Validate(t.Context(), w.who, c, publishing.Schedule{})
	if err != nil || len(found) != 1 || found[0].Field != "/segments/0/media/1/id" || found[0].Reason != "media.not_found" {
		t.Errorf("%+v, %v", found, err)
	}
}
