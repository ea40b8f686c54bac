package publishing_test

import (
	"slices"
	"testing"
	"time"

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

// What is wrong with the time is said beside whatever is wrong with the content.
func TestValidationNamesTheTimeToo(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	past := publishing.Schedule{Local: w.now.Add(-24 * time.Hour).Format(publishing.LocalLayout), Zone: "UTC"}
	nowhere := publishing.Schedule{Local: past.Local, Zone: "Nowhere/Land"}
	sound, empty, unfit := w.content("x"), w.content("x"), w.content("x")
	empty.Parts = nil
	unfit.Parts[0].Media = []publishing.Attachment{{Media: "med_gone"}}
	for name, tc := range map[string]struct {
		c    publishing.Content
		when publishing.Schedule
		want []string
	}{
		"nothing":                       {sound, publishing.Schedule{}, nil},
		"the time":                      {sound, past, []string{"schedule.past"}},
		"what no post is":               {empty, publishing.Schedule{}, []string{"post.empty"}},
		"what no post is, and the time": {empty, past, []string{"post.empty", "schedule.past"}},
		"what no post is, and the zone": {empty, nowhere, []string{"post.empty", "schedule.unknown_zone"}},
		"a platform's, and the time":    {unfit, past, []string{"media.not_found", "schedule.past"}},
	} {
		found, err := w.Validate(t.Context(), w.who, tc.c, tc.when)
		var got []string
		for _, v := range found {
			got = append(got, v.Reason)
		}
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, tc.want)
		}
	}
}
