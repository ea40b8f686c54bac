package publishing_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/core/publishing/publishingtest"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

func TestMemoryStore(t *testing.T) {
	publishingtest.Run(t, func(*testing.T) publishingtest.Opened {
		s := new(publishingtest.Store)
		return publishingtest.Opened{Store: s, Queue: s, Us: tenants.NewID(), Them: tenants.NewID(), Ours: channels.NewID(), Theirs: channels.NewID()}
	})
}

func TestAThreadGoesOutInOrder(t *testing.T) {
	w := newWorld(t, social.ByFind, 2)
	c := w.content("one", "two", "three")
	c.FirstComment = &publishing.Part{Text: "first!"}
	d, err := w.Create(t.Context(), w.who, c, publishing.Schedule{})
	if err != nil {
		t.Fatal(err)
	}
	w.publishNow(t, d)
	w.work(t)

	r := w.get(t, d.ID)
	if r.State != publishing.Published || w.objects(t) != 8 || len(r.Attempts) != 8 {
		t.Fatalf("state %s, %d objects, %d attempts", r.State, w.objects(t), len(r.Attempts))
	}
	for _, dl := range r.Deliveries {
		for i, s := range dl.Segments {
			above := dl.Segments[max(i-1, 0)]
			if s.Comment {
				above = dl.Segments[0]
			}
			if i > 0 && (s.ReplyTo.ID != above.Ref.ID || s.Root.ID != dl.Segments[0].Ref.ID) {
				t.Errorf("part %d replies to %v under %v", i, s.ReplyTo, s.Root)
			}
			if s.Comment != (i == 3) {
				t.Errorf("part %d: comment = %v", i, s.Comment)
			}
		}
	}
	if e := w.store.Events(w.who.Tenant); !slices.Contains(e, "post.published") {
		t.Errorf("events = %v", e)
	}
}

// One fault at a time, in every recovery class: what is on the platform, what
// the post says, and how often the irreversible call was made.
func TestOneFault(t *testing.T) {
	refuse := func(k social.Kind) error {
		return &social.Fault{Kind: k, Key: "x", Message: "x", RetryAfter: 10 * time.Second}
	}
	type outcome struct {
		objects, commits int
		state            publishing.State
	}
	for name, tc := range map[string]struct {
		dedup social.Dedup
		apply bool
		err   error
		want  outcome
	}{
		"accepted":                       {social.ByFind, true, nil, outcome{1, 1, publishing.Published}},
		"lost reply, found":              {social.ByFind, true, refuse(social.Ambiguous), outcome{1, 1, publishing.Published}},
		"lost request, absent":           {social.ByFind, false, refuse(social.Ambiguous), outcome{1, 2, publishing.Published}},
		"lost reply, native key":         {social.NativeKey, true, refuse(social.Ambiguous), outcome{1, 2, publishing.Published}},
		"lost request, native key":       {social.NativeKey, false, refuse(social.Ambiguous), outcome{1, 2, publishing.Published}},
		"lost reply, nobody can tell":    {social.NoDedup, true, refuse(social.Ambiguous), outcome{1, 1, publishing.NeedsReview}},
		"never left":                     {social.NoDedup, false, refuse(social.Transient), outcome{1, 2, publishing.Published}},
		"rate limited":                   {social.NoDedup, false, refuse(social.RateLimited), outcome{1, 2, publishing.Published}},
		"token expired":                  {social.NoDedup, false, refuse(social.AuthExpired), outcome{1, 2, publishing.Published}},
		"rejected":                       {social.ByFind, false, refuse(social.Invalid), outcome{0, 1, publishing.Failed}},
		"restricted":                     {social.ByFind, false, refuse(social.Policy), outcome{0, 1, publishing.Failed}},
		"it says it has it, and it does": {social.ByFind, true, refuse(social.Duplicate), outcome{1, 1, publishing.Published}},
		"it says it has it, but no":      {social.ByFind, false, refuse(social.Duplicate), outcome{0, 1, publishing.NeedsReview}},
		"an error that is no fault":      {social.ByFind, true, fmt.Errorf("EOF"), outcome{1, 1, publishing.Published}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.dedup, 1)
			first := true
			w.answer = func(social.PublishRequest) (bool, error) {
				defer func() { first = false }()
				if first {
					return tc.apply, tc.err
				}
				return true, nil
			}
			d := w.compose(t, "hello")
			w.publishNow(t, d)
			w.work(t)
			w.pass(t, 10*time.Minute)

			got := outcome{w.objects(t), count(w.calls, "commit"), w.get(t, d.ID).State}
			if got != tc.want {
				t.Errorf("%+v, want %+v; calls %v", got, tc.want, w.calls)
			}
		})
	}
}

// A process may die anywhere. The post still goes out once.
func TestACrashAnywhere(t *testing.T) {
	for _, point := range []publishing.Point{publishing.AtClaimed, publishing.AtPrepared, publishing.AtArmed, publishing.AtSent, publishing.AtSettled} {
		for _, dedup := range []social.Dedup{social.NativeKey, social.ByFind, social.NoDedup} {
			t.Run(fmt.Sprintf("%s/%s", point, dedup), func(t *testing.T) {
				w := newWorld(t, dedup, 1)
				w.crashAt = point
				d := w.compose(t, "one", "two")
				w.publishNow(t, d)
				w.work(t)
				w.pass(t, 10*time.Minute)

				r := w.get(t, d.ID)
				flagged := dedup == social.NoDedup && (point == publishing.AtArmed || point == publishing.AtSent)
				switch {
				case flagged && r.State != publishing.NeedsReview:
					t.Errorf("state %s: nobody can tell, so a person must be asked", r.State)
				case !flagged && (r.State != publishing.Published || w.objects(t) != 2):
					t.Errorf("state %s with %d objects", r.State, w.objects(t))
				}
			})
		}
	}
}

func TestAProcessThatHesitatesDoesNotSend(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	w.stall = 3 * time.Second
	d := w.compose(t, "hello")
	w.publishNow(t, d)
	claims, err := w.store.Claim(t.Context(), "w", 1, publishing.Lease)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context(), claims[0]); err != nil {
		t.Fatal(err)
	}
	if w.objects(t) != 0 {
		t.Error("it woke up and sent")
	}
	w.stall = 0
	w.pass(t, time.Minute)
	if w.objects(t) != 1 {
		t.Errorf("%d objects", w.objects(t))
	}
}

// A worker that lost its lease is not believed, whatever it brings.
func TestALateWorkerIsFenced(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	d := w.compose(t, "hello")
	w.publishNow(t, d)
	old, err := w.store.Claim(t.Context(), "old", 1, publishing.Lease)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * publishing.Lease)
	w.work(t)
	if err := w.Run(t.Context(), old[0]); err != nil {
		t.Fatal(err)
	}
	if w.objects(t) != 1 || count(w.calls, "commit") != 1 {
		t.Errorf("%d objects, calls %v", w.objects(t), w.calls)
	}
}

func TestALostDatabaseAfterTheCallIsReconciled(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	d := w.compose(t, "hello")
	w.publishNow(t, d)
	w.answer = func(social.PublishRequest) (bool, error) {
		w.store.Fail = 2 // the answer cannot be recorded at once
		return true, nil
	}
	w.work(t)
	w.pass(t, 5*time.Minute)
	if r := w.get(t, d.ID); r.State != publishing.Published || w.objects(t) != 1 {
		t.Errorf("state %s, %d objects", r.State, w.objects(t))
	}
}

func TestOverdueIsMissed(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	d := w.compose(t, "one", "two")
	w.publishNow(t, d)
	w.now = w.now.Add(7 * time.Hour)
	w.work(t)
	if r := w.get(t, d.ID); r.State != publishing.Missed || w.objects(t) != 0 {
		t.Fatalf("state %s, %d objects", r.State, w.objects(t))
	}
	w.publishNow(t, w.detail(t, d.ID)) // and a person may still send it
	w.work(t)
	if r := w.get(t, d.ID); r.State != publishing.Published || w.objects(t) != 2 {
		t.Errorf("state %s, %d objects", r.State, w.objects(t))
	}
}

func TestAPauseHoldsBackWhatHasNotLeft(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	d := w.compose(t, "hello")
	w.publishNow(t, d)
	claims, err := w.store.Claim(t.Context(), "w", 1, publishing.Lease) // claimed before the pause
	if err != nil {
		t.Fatal(err)
	}
	w.store.Block = map[channels.ID]string{w.chans[0]: "paused"}
	if err := w.Run(t.Context(), claims[0]); err != nil {
		t.Fatal(err)
	}
	w.pass(t, time.Minute)
	if w.objects(t) != 0 {
		t.Error("it left while paused")
	}
	w.store.Block = nil
	w.pass(t, time.Minute)
	if w.objects(t) != 1 {
		t.Error("it did not leave after the pause")
	}
}

// Random faults, crashes and lost replies over many posts: none lost, none
// double, whatever the seed.
func TestAnyWeather(t *testing.T) {
	for seed := range uint64(10) {
		for _, dedup := range []social.Dedup{social.NativeKey, social.ByFind} {
			t.Run(fmt.Sprintf("%s/%d", dedup, seed), func(t *testing.T) { weather(t, dedup, rand.New(rand.NewPCG(seed, 1))) })
		}
	}
}

func weather(t *testing.T, dedup social.Dedup, r *rand.Rand) {
	w := newWorld(t, dedup, 3)
	points := []publishing.Point{publishing.AtClaimed, publishing.AtPrepared, publishing.AtArmed, publishing.AtSent, publishing.AtSettled}
	w.crashIf = func() bool { return r.IntN(12) == 0 }
	w.answer = func(social.PublishRequest) (bool, error) {
		w.crashAt = points[r.IntN(len(points))]
		switch r.IntN(8) {
		case 0:
			return true, lostReply(r)
		case 1:
			return false, lostReply(r)
		case 2:
			return false, social.Fail(social.Transient, "x", "x")
		case 3:
			return false, &social.Fault{Kind: social.RateLimited, Key: "x", RetryAfter: time.Second}
		}
		return true, nil
	}
	var ids []publishing.PostID
	for i := range 4 {
		d := w.compose(t, fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("c", i))
		w.publishNow(t, d)
		ids = append(ids, d.ID)
	}
	w.pass(t, 90*time.Minute)
	for _, id := range ids {
		if p := w.get(t, id); p.State != publishing.Published {
			t.Errorf("%s is %s", id, p.State)
		}
	}
	if n := w.objects(t); n != 4*3*3 {
		t.Errorf("%d objects, want %d", n, 4*3*3)
	}
}

func (w *world) detail(t *testing.T, id publishing.PostID) *publishing.Detail {
	t.Helper()
	d, err := w.Get(t.Context(), w.who, id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func count(all []string, s string) (n int) {
	for _, v := range all {
		if v == s {
			n++
		}
	}
	return n
}

// A rule that changed since the post was planned is applied before it is sent.
func TestRulesAreCheckedAgainBeforeSending(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	d := w.compose(t, "hello there")
	w.publishNow(t, d)
	w.manifest.Formats[0].Text.Max = 5
	w.work(t)
	r := w.get(t, d.ID)
	s := r.Deliveries[0].Segments[0]
	if r.State != publishing.Failed || w.objects(t) != 0 || s.Problem == nil || s.Problem.Reason != "text.too_long" {
		t.Errorf("state %s, %d objects, problem %+v", r.State, w.objects(t), s.Problem)
	}
}
