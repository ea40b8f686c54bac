package mastodon_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/mastodon/mastodonfake"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

// TestFindLooksPastWhatCameAfter: a busy account pushes the lost post down its
// timeline, in the end further than a search goes, and then nothing is claimed.
func TestFindLooksPastWhatCameAfter(t *testing.T) {
	cases := map[string]struct {
		after int
		lost  bool // the commit itself never happened
		short int  // pages
		want  social.Verdict
	}{
		"a few later posts":           {3, false, 0, social.Found},
		"the second page":             {60, false, 0, social.Found},
		"further than a search goes":  {1020, false, 0, social.Unsure},
		"never there, a few later":    {3, true, 0, social.Absent},
		"never there, many more came": {60, true, 0, social.Absent},
		"behind a short page":         {60, false, 20, social.Found},
		"behind a page of one":        {3, false, 1, social.Found},
		"never there, short pages":    {60, true, 20, social.Absent},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := open(t, mastodonfake.Options{IgnoreKey: true, Version: "0.17.0", Short: c.short})
			req := prepared(t, h, social.Content{Text: "Which one is it?"})
			trouble := socialtest.DropReply
			if c.lost {
				trouble = socialtest.ResetBefore
			}
			h.Server.Trouble(trouble)
			if _, err := h.Platform.Publish(t.Context(), req); err == nil {
				t.Fatal("no fault")
			}
			for i := range c.after {
				h.Server.(back).post(fmt.Sprint("Later post ", i))
			}
			got, err := h.Platform.(social.Finder).Find(t.Context(), social.FindRequest{
				Call: req.Call, Account: req.Account, Content: req.Content, State: req.State, Since: time.Now().Add(-5 * time.Minute),
			})
			if err != nil || got.Verdict != c.want {
				t.Errorf("verdict = %s, %v, want %s", got.Verdict, err, c.want)
			}
			if got.Verdict == social.Unsure && got.After <= 0 {
				t.Error("unsure without a time to ask again")
			}
		})
	}
}

// A server that ignores keys has two posts that say the same, or one of them.
func TestFindPassesOverWhatIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		lost bool // the second commit never happened
		want social.Verdict
	}{"both are there": {false, social.Found}, "only the other": {true, social.Absent}} {
		t.Run(name, func(t *testing.T) {
			h := open(t, mastodonfake.Options{IgnoreKey: true, Version: "0.17.0"})
			req := prepared(t, h, social.Content{Text: "Good morning"})
			other := prepared(t, h, social.Content{Text: "Good morning"})
			step, err := h.Platform.Publish(t.Context(), other)
			if err != nil {
				t.Fatal(err)
			}
			if !c.lost {
				if _, err := h.Platform.Publish(t.Context(), req); err != nil {
					t.Fatal(err)
				}
			}
			got, err := h.Platform.(social.Finder).Find(t.Context(), social.FindRequest{
				Call: req.Call, Account: req.Account, Content: req.Content, State: req.State, Since: time.Now().Add(-5 * time.Minute),
				Taken: []string{step.Receipt.Ref.ID},
			})
			if err != nil || got.Verdict != c.want || got.Receipt != nil && got.Receipt.Ref.ID == step.Receipt.Ref.ID {
				t.Errorf("%+v, %v, want %s", got, err, c.want)
			}
		})
	}
}

// The same words with another picture are no evidence, of either.
func TestFindKnowsItsPictures(t *testing.T) {
	h := open(t, mastodonfake.Options{IgnoreKey: true, Version: "0.17.0"})
	content := social.Content{Text: "Good morning", Media: []social.Media{h.Image}}
	req, other := prepared(t, h, content), prepared(t, h, content)
	if _, err := h.Platform.Publish(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	ask := social.FindRequest{Call: req.Call, Account: req.Account, Content: req.Content, State: req.State, Since: time.Now().Add(-5 * time.Minute)}
	find := func() social.Verdict {
		t.Helper()
		got, err := h.Platform.(social.Finder).Find(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		return got.Verdict
	}
	if got := find(); got != social.Unsure {
		t.Errorf("with another one's picture: %s", got)
	}
	ask.Restored = true
	if got := find(); got != social.Found {
		t.Errorf("where nothing is known of the picture: %s", got)
	}
	ask.Restored = false
	if _, err := h.Platform.Publish(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if got := find(); got != social.Found {
		t.Errorf("with its own: %s", got)
	}
}

// What was known of the commit may be of another history after a restore: then
// what is older than the anchor counts too.
func TestFindGoesBackToSinceAfterARestore(t *testing.T) {
	h := open(t, mastodonfake.Options{IgnoreKey: true, Version: "0.17.0"})
	first := prepared(t, h, social.Content{Text: "Good morning"})
	if _, err := h.Platform.Publish(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	again := prepared(t, h, social.Content{Text: "Good morning"})
	for restored, want := range map[bool]social.Verdict{false: social.Absent, true: social.Found} {
		got, err := h.Platform.(social.Finder).Find(t.Context(), social.FindRequest{
			Call: again.Call, Account: again.Account, Content: again.Content, State: again.State, Since: time.Now().Add(-5 * time.Minute), Restored: restored,
		})
		if err != nil || got.Verdict != want {
			t.Errorf("restored %v: %s, %v, want %s", restored, got.Verdict, err, want)
		}
	}
}

// post is somebody using the same account by other means.
func (b back) post(text string) {
	r := httptest.NewRequest(http.MethodPost, "/api/v1/statuses", strings.NewReader(fmt.Sprintf(`{"status":%q}`, text)))
	r.Header.Set("Authorization", "Bearer "+b.Token)
	b.ServeHTTP(httptest.NewRecorder(), r)
}
