package publishing_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// A draft names what is there, from the first save on.
func TestADraftNamesWhatIsThere(t *testing.T) {
	const lost, kept = media.ID("med_lost"), media.ID("med_kept")
	picture := func(ids ...media.ID) (p publishing.Part) {
		p.Text = "x"
		for _, id := range ids {
			p.Media = append(p.Media, publishing.Attachment{Media: id})
		}
		return p
	}
	for name, tc := range map[string]struct {
		change func(*publishing.Content)
		want   []string
	}{
		"nothing missing": {func(c *publishing.Content) { c.Parts[0] = picture(kept) }, nil},
		"a file":          {func(c *publishing.Content) { c.Parts[0] = picture(kept, lost) }, []string{"media.not_found /segments/0/media/1/id"}},
		"its format":      {func(c *publishing.Content) { c.Variants[1].Format = "story" }, []string{"channel.no_format /channels/1/format"}},
		"a channel":       {func(c *publishing.Content) { c.Variants[0].Channel = "chn_lost" }, []string{"channel.not_found /channels/0/channel_id"}},
		"everywhere": {func(c *publishing.Content) {
			comment := picture(lost)
			c.FirstComment, c.Variants[1].Parts, c.Variants[1].FirstComment = &comment, []publishing.Part{picture(), picture(lost)}, &comment
		}, []string{"media.not_found /first_comment/media/0/id", "media.not_found /channels/1/segments/1/media/0/id", "media.not_found /channels/1/first_comment/media/0/id"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.ByFind, 2)
			w.store.Gone = map[string]bool{string(lost): true, "chn_lost": true}
			c := w.content("x")
			draft := w.compose(t, "x")
			planned := w.schedule(t, w.compose(t, "x"), "2026-03-01T13:00:00")
			tc.change(&c)
			_, created := w.Create(t.Context(), w.who, c, publishing.Schedule{})
			_, edited := w.Edit(t.Context(), w.who, draft.ID, draft.Version, c, publishing.Schedule{})
			_, replanned := w.Edit(t.Context(), w.who, planned.ID, planned.Version, c, planned.Schedule)
			made, err := w.CreateMany(t.Context(), w.who, []publishing.Composed{{Content: w.content("y")}, {Content: c}}, false)
			if err != nil || made[0].Draft == nil {
				t.Fatalf("%+v %v", made, err)
			}
			for how, err := range map[string]error{"created": created, "edited": edited, "of many": made[1].Err, "edited as planned": replanned} {
				if diff := cmp.Diff(tc.want, named(err)); diff != "" {
					t.Errorf("%s: %v\n%s", how, err, diff)
				}
			}
			all, err := w.CreateMany(t.Context(), w.who, []publishing.Composed{{Content: w.content("y")}, {Content: c}}, true)
			if err != nil || (all[0].Draft != nil) != (tc.want == nil) {
				t.Errorf("of all or none: %+v %v", all, err)
			}
		})
	}
}

func named(err error) (out []string) {
	if err == nil {
		return nil
	}
	for _, v := range fault.Of(err).Violations {
		out = append(out, v.Reason+" "+v.Field)
	}
	return out
}

func TestWithoutAFile(t *testing.T) {
	const file = media.ID("med_1")
	part := publishing.Part{Text: "x", Media: []publishing.Attachment{{Media: file, Alt: "y"}, {Media: "med_2"}}}
	c := publishing.Content{
		Parts: []publishing.Part{part}, FirstComment: &part,
		Variants: []publishing.Variant{{Channel: "chn_1", Parts: []publishing.Part{part}, FirstComment: &part}},
	}
	before := c.Hash()
	if got := c.Without(file).Refs().Media; !slices.Equal(got, []media.ID{"med_2"}) {
		t.Errorf("left %v", got)
	}
	if c.Hash() != before {
		t.Error("it changed what it was given")
	}
}
