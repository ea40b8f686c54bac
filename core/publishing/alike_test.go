package publishing_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/social"
)

// nth loses the replies of the given commits, from 0, which are applied or not,
// and accepts the rest.
func (w *world) nth(applied map[int]bool) {
	n := -1
	w.answer = func(social.PublishRequest) (bool, error) {
		n++
		if apply, lost := applied[n]; lost {
			return apply, social.Fail(social.Ambiguous, "x", "x")
		}
		return true, nil
	}
}

// Two posts say the same. Whatever became of their calls, each ends with an
// object of its own: a lookup does not take another post's for the lost one.
func TestTwoPostsThatSayTheSame(t *testing.T) {
	for name, applied := range map[string]map[int]bool{
		"the first was never applied":   {0: false},
		"the first was applied":         {0: true},
		"the second was never applied":  {1: false},
		"neither was applied":           {0: false, 1: false},
		"one of two lost ones was":      {0: false, 1: true},
		"both were applied, both lost":  {0: true, 1: true},
		"never applied, and once again": {0: false, 2: false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.ByFind, 1)
			w.byText = true
			w.nth(applied)
			var posts []publishing.PostID
			for range 2 {
				posts = append(posts, w.publishNow(t, w.compose(t, "Good morning")).ID)
				w.work(t)
			}
			w.pass(t, time.Hour)
			refs := map[string]bool{}
			for _, id := range posts {
				if r := w.get(t, id); r.State != publishing.Published {
					t.Errorf("a post is %s", r.State)
				} else {
					refs[w.segment(t, id, 0).Ref.ID] = true
				}
			}
			there := 0
			for _, objects := range w.live {
				there += len(objects)
			}
			if there != 2 || len(refs) != 2 {
				t.Errorf("%d objects, receipts %v", there, refs)
			}
		})
	}
}

// A plugin that names what is taken whatever it is told is not believed.
func TestWhatIsTakenIsNeverAdopted(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	w.byText, w.deaf = true, true
	w.nth(map[int]bool{0: false})
	a := w.publishNow(t, w.compose(t, "Good morning"))
	w.work(t)
	w.publishNow(t, w.compose(t, "Good morning"))
	w.work(t)
	w.pass(t, 3*time.Hour)
	if r := w.get(t, a.ID); r.State != publishing.NeedsReview || w.objects(t) != 1 {
		t.Errorf("state %s, %d objects", r.State, w.objects(t))
	}
}

// A platform that answers two calls with one object is not believed, and not
// called again.
func TestAReceiptThatIsAnotherPosts(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	w.sameRef = "1"
	w.publishNow(t, w.compose(t, "one"))
	w.work(t)
	d := w.publishNow(t, w.compose(t, "two"))
	w.work(t)
	w.pass(t, 2*time.Hour)
	r := w.get(t, d.ID)
	if p := r.Deliveries[0].Segments[0].Problem; r.State != publishing.NeedsReview || len(r.Attempts) != 1 || p == nil || p.Reason != publishing.TakenReason {
		t.Errorf("state %s, problem %+v, attempts %+v", r.State, p, r.Attempts)
	}
}
