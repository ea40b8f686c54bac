package publishing_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// shown answers how public an object is now.
func (w *world) shown(req social.FindRequest) (social.Finding, error) {
	switch {
	case w.findErr != nil:
		return social.Finding{}, w.findErr
	case w.status == "gone":
		return social.Finding{Verdict: social.Absent}, nil
	case w.status == "unsure":
		return social.Finding{Verdict: social.Unsure, After: time.Second}, nil
	}
	return social.Finding{Verdict: social.Found, Receipt: &social.Receipt{Ref: *req.Ref, Status: w.status}}, nil
}

func TestWhatIsHiddenIsFollowedUp(t *testing.T) {
	away := &social.Fault{Kind: social.Transient, Source: social.FromNetwork, Key: "network.lost"}
	for name, tc := range map[string]struct {
		status social.Status
		age    time.Duration
		err    error
		mute   bool // it cannot be asked
		want   publishing.Hidden
		again  time.Duration
	}{
		"still at it":              {status: social.Processing, want: publishing.Processing, again: time.Minute},
		"after an hour":            {status: social.Processing, age: time.Hour, want: publishing.Processing, again: 30 * time.Minute},
		"after a week":             {status: social.Processing, age: 7 * 24 * time.Hour, want: publishing.Processing, again: 24 * time.Hour},
		"after a season":           {status: social.Live, age: 100 * 24 * time.Hour, want: publishing.Processing},
		"visible":                  {status: social.Live},
		"reviewed now":             {status: social.InReview, want: publishing.InReview, again: time.Minute},
		"taken back":               {status: "gone", want: publishing.TakenBack},
		"it does not say":          {status: "unsure", want: publishing.Processing, again: time.Minute},
		"it cannot be reached":     {err: away, want: publishing.Processing, again: time.Minute},
		"it cannot be asked, ever": {status: social.Live, mute: true, want: publishing.Processing},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.ByFind, 1)
			if !tc.mute {
				w.manifest.Capabilities = append(slices.Clone(w.manifest.Capabilities), social.CanStatus)
			}
			w.status = social.Processing
			d := w.compose(t, "one")
			w.publishNow(t, d)
			w.work(t)
			if !slices.Contains(w.store.Events(w.who.Tenant), "job follow "+string(d.ID)) {
				t.Fatal("nobody was asked to follow it up")
			}
			before := len(w.store.Events(w.who.Tenant))
			w.now = w.now.Add(tc.age)
			w.status, w.findErr = tc.status, tc.err
			again, err := w.FollowUp(t.Context(), tenants.SystemScope(w.who.Tenant), d.ID)
			if !errors.Is(err, tc.err) || again != tc.again {
				t.Errorf("again in %s, %v; want %s, %v", again, err, tc.again, tc.err)
			}
			got := w.get(t, d.ID)
			if h := got.Deliveries[0].Hidden(); h != tc.want || got.State != publishing.Published {
				t.Errorf("%q, %s, want %q", h, got.State, tc.want)
			}
			told := slices.Contains(w.store.Events(w.who.Tenant)[before:], "delivery.updated")
			if told != (tc.want != publishing.Processing) {
				t.Errorf("told of it: %t", told)
			}
			if _, err := w.FollowUp(t.Context(), tenants.SystemScope(w.who.Tenant), d.ID); !errors.Is(err, tc.err) {
				t.Error(err)
			}
		})
	}
}
