package publishing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/social"
)

// What a platform says besides "accepted" is kept, within bounds, and told.
func TestAReceiptKeepsWhatThePlatformSaid(t *testing.T) {
	for name, tc := range map[string]struct {
		status social.Status
		want   publishing.Hidden
	}{
		"live": {social.Live, ""}, "silence": {"", ""}, "processing": {social.Processing, publishing.Processing}, "in review": {social.InReview, publishing.InReview},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.ByFind, 1)
			w.status, w.warnings = tc.status, []string{"alt text dropped", strings.Repeat("é", 600)}
			d := w.compose(t, "one", "two")
			w.publishNow(t, d)
			w.work(t)
			got := w.get(t, d.ID)
			if got.State != publishing.Published || got.Deliveries[0].Hidden() != tc.want {
				t.Errorf("state %s, hidden %q", got.State, got.Deliveries[0].Hidden())
			}
			for _, s := range got.Deliveries[0].Segments {
				if diff := cmp.Diff([]string{"alt text dropped", strings.Repeat("é", 500)}, s.Warnings); diff != "" || s.Hidden != tc.want {
					t.Errorf("%q %s", s.Hidden, diff)
				}
			}
		})
	}
}

// A key stands for what was sent with it. If what would be sent again is not
// the same, it is not sent: the platform is asked, and after it a person.
func TestAReplayIsTheSameOrNotSent(t *testing.T) {
	for name, tc := range map[string]struct {
		changed, canFind bool
		commits          int
		state            publishing.State
	}{
		"the same":                       {false, false, 2, publishing.Published},
		"changed, it can be looked up":   {true, true, 1, publishing.Published},
		"changed, nobody but people see": {true, false, 1, publishing.NeedsReview},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.NativeKey, 1)
			w.alt = "a bell"
			if !tc.canFind {
				w.manifest.Capabilities = nil
			}
			lost := true
			w.answer = func(social.PublishRequest) (bool, error) {
				if lost {
					lost = false
					return true, &social.Fault{Kind: social.Ambiguous, Source: social.FromNetwork, Key: "network.lost"}
				}
				return true, nil
			}
			c := w.content("one")
			c.Parts[0].Media = []publishing.Attachment{{Media: "med_1"}}
			d, err := w.Create(t.Context(), w.who, c, publishing.Schedule{})
			if err != nil {
				t.Fatal(err)
			}
			w.publishNow(t, d)
			w.work(t)
			if tc.changed {
				w.alt = "two bells"
			}
			w.pass(t, 5*time.Minute)
			commits := 0
			for _, call := range w.calls {
				if call == "commit" {
					commits++
				}
			}
			if got := w.get(t, d.ID); got.State != tc.state || commits != tc.commits {
				t.Errorf("%s after %d commits, want %s after %d", got.State, commits, tc.state, tc.commits)
			}
			w.objects(t)
		})
	}
}
