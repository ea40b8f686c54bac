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
		want  social.Verdict
	}{
		"a few later posts":           {3, false, social.Found},
		"the second page":             {60, false, social.Found},
		"further than a search goes":  {230, false, social.Unsure},
		"never there, a few later":    {3, true, social.Absent},
		"never there, many more came": {60, true, social.Absent},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := open(t, mastodonfake.Options{IgnoreKey: true, Version: "0.17.0"})
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

// post is somebody using the same account by other means.
func (b back) post(text string) {
	r := httptest.NewRequest(http.MethodPost, "/api/v1/statuses", strings.NewReader(fmt.Sprintf(`{"status":%q}`, text)))
	r.Header.Set("Authorization", "Bearer "+b.Token)
	b.ServeHTTP(httptest.NewRecorder(), r)
}
