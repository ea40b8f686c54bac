package publishing_test

import (
	"errors"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// parking is a plugin host that gives an operation up after its second fall,
// and remembers that by its key.
func parking(falls map[string]int) func(social.PublishRequest) error {
	return func(req social.PublishRequest) error {
		key := req.Call.Idempotency
		if falls[key] >= 2 {
			return social.Fail(social.Permanent, "plugin.operation_parked", "It stopped the plugin twice.")
		}
		falls[key]++
		return errors.New("the plugin fell")
	}
}

// A post that was given up is not given up for good: whatever a person does
// about it is another operation, and tried.
func TestAPersonFreesAParkedPost(t *testing.T) {
	for name, act := range map[string]func(*testing.T, *world, *publishing.Detail){
		"edited, then sent": func(t *testing.T, w *world, d *publishing.Detail) {
			edited, err := w.Edit(t.Context(), w.who, d.ID, d.Version, w.content("other"), publishing.Schedule{})
			if err != nil {
				t.Fatal(err)
			}
			w.publishNow(t, edited)
		},
		"sent again as it is": func(t *testing.T, w *world, d *publishing.Detail) { w.publishNow(t, d) },
		"moved": func(t *testing.T, w *world, d *publishing.Detail) {
			w.schedule(t, d, w.now.Add(time.Minute).Format(publishing.LocalLayout))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.ByFind, 1)
			falls := map[string]int{}
			w.prepErr = parking(falls)
			d := w.publishNow(t, w.compose(t, "one"))
			w.pass(t, 5*time.Minute)
			s := w.get(t, d.ID).Deliveries[0].Segments[0]
			if s.State != publishing.Rejected || s.Problem == nil || s.Problem.Reason != "plugin.operation_parked" || s.Attempt != 0 {
				t.Fatalf("%s %+v", s.State, s.Problem)
			}
			repaired := w.prepErr
			w.prepErr = func(req social.PublishRequest) error { // the old key is refused still
				if falls[req.Call.Idempotency] > 0 {
					return repaired(req)
				}
				return nil
			}
			again, err := w.Get(t.Context(), w.who, d.ID)
			if err != nil {
				t.Fatal(err)
			}
			act(t, w, again)
			w.pass(t, 5*time.Minute)
			if got := w.get(t, d.ID); got.State != publishing.Published || w.objects(t) != 1 {
				t.Errorf("state %s, %d objects", got.State, w.objects(t))
			}
		})
	}
}

// A key stands for one content, also before anything of it was committed.
func TestAnEditIsAnotherOperation(t *testing.T) {
	w := newWorld(t, social.NativeKey, 1)
	d := w.schedule(t, w.compose(t, "one", "two"), "2026-03-01T13:00:00")
	keys := func() (out []string) {
		for _, s := range w.get(t, d.ID).Deliveries[0].Segments {
			out = append(out, s.Key())
		}
		return out
	}
	before := keys()
	d, err := w.Edit(t.Context(), w.who, d.ID, d.Version, w.content("one", "changed"), d.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	after := keys()
	if after[0] != before[0] || after[1] == before[1] {
		t.Errorf("%v became %v", before, after)
	}
	// The original of a restored database may have sent it under that key: nothing
	// changes before that is known.
	w.restore(t, d)
	if _, err = w.Edit(t.Context(), w.who, d.ID, d.Version, w.content("changed", "too"), d.Schedule); !fault.Is(err, fault.Conflict) {
		t.Errorf("err = %v, want %s", err, fault.Conflict)
	}
	w.pass(t, 5*time.Minute)
	d = w.detail(t, d.ID)
	if _, err = w.Edit(t.Context(), w.who, d.ID, d.Version, w.content("changed", "too"), d.Schedule); err != nil {
		t.Error(err)
	}
}
