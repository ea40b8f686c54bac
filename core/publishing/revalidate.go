package publishing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// The events of a look at what is scheduled.
const (
	EventAtRisk      = "post.at_risk"     // it would be refused today
	EventRevalidated = "post.revalidated" // it was at risk and is not any more
)

// A Look is one channel whose scheduled posts have to be checked again, because
// its platform's manifest or the channel itself is not what it was at the last.
type Look struct {
	Tenant  tenants.ID
	Channel channels.ID
	Rules   string // fingerprint of the manifest
	Version int    // of the channel
	After   PostID // the last post that was checked by these rules; empty: none
}

// A Finding is what the rules of a channel have against a scheduled post.
type Finding struct {
	Post       PostID
	Channel    channels.ID
	Version    int               // of the post that was checked; of an older one it says nothing
	Violations []fault.Violation // none: it is fine
}

// Watch is the way across tenants to what changed.
type Watch interface {
	// Stale lists up to limit channels on which something is scheduled and
	// whose last look is unfinished, or was at other rules than their
	// platform has now (rules, by platform) or at another version of the channel.
	Stale(ctx context.Context, rules map[string]string, limit int) ([]Look, error)
}

// Platforms says what platforms there are.
type Platforms interface {
	List(ctx context.Context) []social.Manifest
}

// A Revalidator checks everything scheduled again when the rules that it was
// checked by have changed. Running it twice, or twice at once, finds the same.
type Revalidator struct {
	*Service
	watch     Watch
	platforms Platforms
}

// NewRevalidator returns a Revalidator. Every argument is required.
func NewRevalidator(s *Service, w Watch, p Platforms) *Revalidator { return &Revalidator{s, w, p} }

// How much one step and one run do. What is left is for the next run.
const (
	lookBatch = 50
	lookLimit = 1000
	lookTime  = 45 * time.Second
)

// Revalidate takes up every unfinished look, each once, longest ago first, until
// there is none or it is time to end. What cannot be checked now, because a
// plugin is away, goes to the end of the line and is told as the error.
func (r *Revalidator) Revalidate(ctx context.Context) error {
	rules := map[string]string{}
	for _, m := range r.platforms.List(ctx) {
		rules[m.ID] = Fingerprint(m)
	}
	within, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	var failed []error
	tried := map[tenants.ID]map[channels.ID]bool{}
	for more := true; more && within.Err() == nil; {
		looks, err := r.watch.Stale(ctx, rules, lookLimit)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		more = false
		for _, l := range looks {
			if tried[l.Tenant][l.Channel] || within.Err() != nil {
				continue
			}
			if tried[l.Tenant] == nil {
				tried[l.Tenant] = map[channels.ID]bool{}
			}
			tried[l.Tenant][l.Channel], more = true, true
			if err := r.finish(ctx, within, l); err != nil {
				failed = append(failed, fmt.Errorf("channel %s: %w", l.Channel, err))
			}
		}
	}
	return errors.Join(append(failed, ctx.Err())...)
}

// finish takes a look to its end, unless within ends first. One that fails is
// noted where it stopped, so that others have their turn before it.
func (r *Revalidator) finish(ctx, within context.Context, l Look) error {
	for within.Err() == nil {
		done, err := r.look(ctx, &l)
		if err != nil {
			return errors.Join(err, r.store.Update(ctx, l.Tenant, func(ctx context.Context, tx Tx) error { return tx.SaveLook(ctx, l, false) }))
		}
		if done {
			return nil
		}
	}
	return nil
}

// Fingerprint tells manifests apart.
func Fingerprint(m social.Manifest) string {
	raw, err := json.Marshal(m)
	if err != nil {
		return m.ID + " " + m.Version
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// look checks the next posts of a channel.
func (r *Revalidator) look(ctx context.Context, l *Look) (done bool, err error) {
	who := tenants.SystemScope(l.Tenant)
	var posts []*Post
	err = r.store.View(ctx, l.Tenant, func(ctx context.Context, tx Tx) error {
		posts, err = tx.Posts(ctx, Filter{Channel: l.Channel, States: []State{Scheduled}, After: l.After, Limit: lookBatch})
		return err
	})
	if err != nil {
		return false, err
	}
	var found []Finding
	for _, p := range posts {
		f, err := r.examine(ctx, who, p, l.Channel)
		if err != nil {
			return false, err
		}
		found = append(found, f)
	}
	next := *l
	if len(posts) > 0 {
		next.After = posts[len(posts)-1].ID
	}
	done = len(posts) < lookBatch
	err = r.store.Update(ctx, l.Tenant, func(ctx context.Context, tx Tx) error { return record(ctx, tx, next, found, done) })
	if err == nil {
		*l = next
	}
	return done, err
}

func (r *Revalidator) examine(ctx context.Context, who tenants.Scope, p *Post, ch channels.ID) (Finding, error) {
	f := Finding{Post: p.ID, Channel: ch, Version: p.Version}
	i := slices.IndexFunc(p.Content.Variants, func(v Variant) bool { return v.Channel == ch })
	if i < 0 {
		return f, nil
	}
	found, err := r.checkVariant(ctx, who, p.Content, p.Content.Variants[i], fmt.Sprintf("/channels/%d", i))
	f.Violations = slices.DeleteFunc(found, func(v fault.Violation) bool { return v.Warning })
	return f, err
}

// record keeps what changed since the last look, and tells of it. The look is
// saved first: nobody else saves one of the channel until this is known, so two
// at once do not both tell.
func record(ctx context.Context, tx Tx, l Look, found []Finding, done bool) error {
	if err := tx.SaveLook(ctx, l, done); err != nil {
		return err
	}
	ids := make([]PostID, len(found))
	for i, f := range found {
		ids[i] = f.Post
	}
	before, err := tx.Findings(ctx, ids...)
	if err != nil {
		return err
	}
	known := map[PostID]Finding{}
	for _, f := range before {
		if f.Channel == l.Channel {
			known[f.Post] = f
		}
	}
	for _, f := range found {
		was := known[f.Post]
		event := EventAtRisk
		switch {
		case len(f.Violations) == 0 && len(was.Violations) == 0, was.Version == f.Version && reflect.DeepEqual(was.Violations, f.Violations):
			continue
		case len(f.Violations) == 0:
			event = EventRevalidated
		}
		if err := tx.SaveFinding(ctx, f); err != nil {
			return err
		}
		if err := tx.Emit(ctx, event, string(f.Post), riskOf(f)); err != nil {
			return err
		}
	}
	return nil
}

// risk is what the events say.
type risk struct {
	Channel  channels.ID `json:"channel_id"`
	Problems []problem   `json:"problems"`
}

type problem struct {
	Field   string `json:"field"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func riskOf(f Finding) risk {
	out := risk{Channel: f.Channel, Problems: []problem{}}
	for _, v := range f.Violations {
		out.Problems = append(out.Problems, problem{v.Field, v.Reason, v.Message})
	}
	return out
}

// weigh marks the deliveries that the last look found something against.
func weigh(ctx context.Context, tx Tx, posts ...*Detail) error {
	byID := map[PostID]*Detail{}
	var ids []PostID
	for _, d := range posts {
		if slices.ContainsFunc(d.Deliveries, (*Delivery).waits) {
			ids, byID[d.ID] = append(ids, d.ID), d
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := tx.Findings(ctx, ids...)
	if err != nil {
		return err
	}
	for _, f := range found {
		d := byID[f.Post]
		for _, dl := range d.Deliveries {
			if dl.Channel == f.Channel && f.Version == d.Version && dl.waits() {
				dl.AtRisk = f.Violations
			}
		}
	}
	return nil
}

// RevalidateEvery is how often changed rules are looked for.
const RevalidateEvery = 5 * time.Minute
