package publishing_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/core/publishing/publishingtest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// world is one tenant, its channels and a platform, with a clock that only
// moves when told to.
type world struct {
	*publishing.Service
	*publishing.Runner
	store *publishingtest.Store
	who   tenants.Scope
	chans []channels.ID

	mu       sync.Mutex
	now      time.Time
	manifest social.Manifest
	account  social.Account
	state    channels.State
	live     map[string][]string // idempotency key → the objects it made
	answer   func(req social.PublishRequest) (apply bool, err error)
	findErr  error
	prepErr  func(req social.PublishRequest) error
	calls    []string // "prepare" and "commit", in order
	crashAt  publishing.Point
	crashIf  func() bool
	stall    time.Duration // hesitation between arming and sending
	uploads  int           // steps before the one that asks for the commit
	gone     bool          // every attachment is gone
	alt      string        // of every attachment
	status   social.Status // of every receipt; empty: live
	warnings []string      // of every receipt
	looked   []time.Time   // when it was asked what it has
	denied   tenants.Action
	byText   bool                 // lookups go by what an object says
	sameRef  string               // what every receipt names; empty: each its own
	deaf     bool                 // and do not pass over what is taken
	lookups  []social.FindRequest // that were made
	borrow   func() error         // what a call waits for before it can be made: its token, its allowance
	declined int                  // calls that were not made in the end
	settled  []publishing.State   // what the observer was told
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, dedup social.Dedup, n int) *world {
	t.Helper()
	w := &world{
		store: new(publishingtest.Store), now: noon, live: map[string][]string{}, state: channels.Connected,
		who: tenants.Scope{Tenant: tenants.NewID(), User: "usr_1", Role: tenants.Editor, Tier: tenants.Pro},
		manifest: social.Manifest{
			ID: "test.platform", Name: "Testbook", Dedup: dedup, Settle: time.Minute, KeyLife: time.Hour,
			Formats:      []social.Format{{ID: "post", Text: social.TextRule{Max: 500, Count: social.Codepoints}}},
			Capabilities: []social.Capability{social.CanFind, social.CanReply, social.CanMetrics},
		},
		account: social.Account{ID: "acct", Formats: []string{"post"}},
	}
	w.store.Clock = func() time.Time { return w.now }
	for range n {
		w.chans = append(w.chans, channels.NewID())
	}
	w.Service = publishing.New(w.store, platform{w}, platform{w}, platform{w}, w)
	w.Runner = publishing.NewRunner(w.store, w.store, platform{w}, platform{w}, platform{w}, w, func() time.Time { return w.now })
	return w
}

// compose creates a post of parts for every channel.
func (w *world) compose(t *testing.T, parts ...string) *publishing.Detail {
	t.Helper()
	d, err := w.Create(t.Context(), w.who, w.content(parts...), publishing.Schedule{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (w *world) content(parts ...string) (c publishing.Content) {
	for _, p := range parts {
		c.Parts = append(c.Parts, publishing.Part{Text: p})
	}
	for _, ch := range w.chans {
		c.Variants = append(c.Variants, publishing.Variant{Channel: ch})
	}
	return c
}

func (w *world) publishNow(t *testing.T, d *publishing.Detail) *publishing.Detail {
	t.Helper()
	out, err := w.Publish(t.Context(), w.who, d.ID, d.Version)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) get(t *testing.T, id publishing.PostID) *publishing.Receipt {
	t.Helper()
	r, err := w.Receipt(t.Context(), w.who, id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// work claims and runs whatever is due until nothing is, once per claim.
func (w *world) work(t *testing.T) {
	t.Helper()
	for range 200 {
		claims, err := w.store.Claim(t.Context(), "w", 100, publishing.Lease)
		if err != nil {
			t.Fatal(err)
		}
		if len(claims) == 0 {
			return
		}
		for _, c := range claims {
			if err := w.run(t, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Fatal("the work never ends")
}

// run runs one claim; a crash is a process that died there.
func (w *world) run(t *testing.T, c publishing.Claim) (err error) {
	defer func() {
		if r := recover(); r != nil && r != any(crash{}) {
			panic(r)
		}
	}()
	return w.Run(t.Context(), c)
}

type crash struct{}

// pass lets time go by, in steps no longer than a lease, working after each.
func (w *world) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for d > 0 {
		step := min(d, 30*time.Second)
		w.now = w.now.Add(step)
		d -= step
		w.work(t)
	}
}

// At implements publishing.Observer.
func (w *world) At(p publishing.Point) {
	if p == publishing.AtArmed {
		w.now = w.now.Add(w.stall)
	}
	if p == w.crashAt && (w.crashIf == nil || w.crashIf()) {
		if w.crashIf == nil {
			w.crashAt = ""
		}
		panic(crash{})
	}
}

// Settled implements publishing.Observer.
func (w *world) Settled(s publishing.State, _ time.Duration) { w.settled = append(w.settled, s) }

// platform is the world as seen from the kernel's ports.
type platform struct{ w *world }

func (p platform) Publish(_ context.Context, _ tenants.Scope, _ channels.ID, req social.PublishRequest) (social.Step, error) {
	return p.w.send(req)
}

func (p platform) Commit(ctx context.Context, _ tenants.Scope, _ channels.ID, req social.PublishRequest, ready channels.Ready) (social.Step, error) {
	if p.w.borrow != nil {
		if err := p.w.borrow(); err != nil {
			return social.Step{}, err
		}
	}
	if _, err := ready(ctx); err != nil {
		p.w.declined++
		return social.Step{}, err
	}
	return p.w.send(req)
}

func (p platform) Find(_ context.Context, _ tenants.Scope, _ channels.ID, req social.FindRequest) (social.Finding, error) {
	if req.Ref != nil {
		return p.w.shown(req)
	}
	return p.w.lookUp(req)
}

func (p platform) Metrics(_ context.Context, _ tenants.Scope, _ channels.ID, refs []social.Ref) (out []social.Metrics, err error) {
	for _, r := range refs {
		out = append(out, social.Metrics{Ref: r, Values: map[string]float64{"likes": 3}, At: p.w.now})
	}
	return out, nil
}

func (p platform) Describe(context.Context, tenants.Scope, channels.ID) (channels.Target, error) {
	w := p.w
	return channels.Target{Channel: channels.Channel{State: w.state, Remedy: "Connect it again."}, Manifest: w.manifest, Account: w.account}, nil
}

func (w *world) send(req social.PublishRequest) (social.Step, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !req.Commit {
		w.calls = append(w.calls, "prepare")
		if w.prepErr != nil {
			if err := w.prepErr(req); err != nil {
				return social.Step{}, err
			}
		}
		if len(req.State) < w.uploads {
			return social.Step{Next: &social.Next{State: append(req.State, '.')}}, nil
		}
		return social.Step{Next: &social.Next{State: []byte("ready"), Commit: true}}, nil
	}
	w.calls = append(w.calls, "commit")
	key := req.Call.Idempotency
	apply, err := true, error(nil)
	if w.answer != nil {
		apply, err = w.answer(req)
	}
	if apply && (w.manifest.Dedup != social.NativeKey || len(w.live[key]) == 0) {
		w.live[key] = append(w.live[key], req.Content.Text)
	}
	if err != nil {
		return social.Step{}, err
	}
	if w.byText { // each object has a name of its own, and the key says nothing
		key = nameOf(key, len(w.live[key])-1)
	}
	if w.sameRef != "" {
		key = w.sameRef
	}
	return social.Step{Receipt: &social.Receipt{Ref: social.Ref{ID: key, URL: "https://test/" + key}, Status: w.status, Warnings: w.warnings}}, nil
}

func (w *world) lookUp(req social.FindRequest) (social.Finding, error) {
	key := req.Call.Idempotency
	w.looked = append(w.looked, w.now)
	w.lookups = append(w.lookups, req)
	switch {
	case w.findErr != nil:
		return social.Finding{}, w.findErr
	case w.byText:
		return w.alike(req), nil
	case len(w.live[key]) > 0:
		return social.Finding{Verdict: social.Found, Receipt: &social.Receipt{Ref: social.Ref{ID: key}}}, nil
	}
	return social.Finding{Verdict: social.Absent}, nil
}

// alike looks for what says the same.
func (w *world) alike(req social.FindRequest) social.Finding {
	for _, key := range slices.Sorted(maps.Keys(w.live)) {
		for n, text := range w.live[key] {
			if name := nameOf(key, n); text == req.Content.Text && (w.deaf || !slices.Contains(req.Taken, name)) {
				return social.Finding{Verdict: social.Found, Receipt: &social.Receipt{Ref: social.Ref{ID: name}}}
			}
		}
	}
	return social.Finding{Verdict: social.Absent}
}

// nameOf names the nth object of a key.
func nameOf(key string, n int) string { return fmt.Sprint(key, "/", n) }

func (p platform) Attach(_ context.Context, _ tenants.Scope, ids []media.ID) ([]social.Media, error) {
	out := make([]social.Media, len(ids))
	for i, id := range ids {
		if id == "med_gone" || p.w.gone {
			return nil, fault.New(fault.NotFound, "media.not_found", "There is no such file.").On(fmt.Sprint("/", i))
		}
		out[i] = social.Media{ID: string(id), Kind: social.Image, Alt: p.w.alt}
	}
	return out, nil
}

func (p platform) Settings([]byte, map[string]any, string) []fault.Violation { return nil }

// Check has one rule.
func (p platform) Check(f social.Format, _ *social.Limits, text string, _ []social.Media, pointer string) []fault.Violation {
	if len(text) > f.Text.Max {
		return []fault.Violation{{Field: pointer + "/text", Reason: "text.too_long", Message: "Too long."}}
	}
	return nil
}

// Allow implements tenants.Authorizer.
func (w *world) Allow(_ context.Context, _ tenants.Scope, act tenants.Action) error {
	if act == w.denied {
		return fault.New(fault.Forbidden, "role.denied", "No.")
	}
	return nil
}

// objects returns what is on the platform, and fails on anything double.
func (w *world) objects(t *testing.T) (n int) {
	t.Helper()
	for key, objects := range w.live {
		n += len(objects)
		if len(objects) > 1 {
			t.Errorf("%s is there %d times: %s", key, len(objects), strings.Join(objects, ", "))
		}
	}
	return n
}

func lostReply(seed *rand.Rand) *social.Fault {
	return &social.Fault{Kind: social.Ambiguous, Source: social.FromNetwork, Key: "network.lost", Message: "The reply was lost.", RetryAfter: time.Duration(seed.IntN(3)) * time.Second}
}
