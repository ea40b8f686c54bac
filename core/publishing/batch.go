package publishing

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// MaxBatch is how many posts CreateMany makes at most.
const MaxBatch = 100

// Composed is a post to be made, as one of many.
type Composed struct {
	Content  Content
	Schedule Schedule
}

// Made is what became of one of many: a draft, or why there is none.
type Made struct {
	Draft *Detail
	Err   error
}

// CreateMany keeps many drafts in one transaction and says of each what became
// of it, in order. Those that break a rule are left out; with atomic, one of
// them leaves out all, and the others have neither a draft nor an error. It
// returns fault.Invalid for none and for more than MaxBatch.
func (s *Service) CreateMany(ctx context.Context, who tenants.Scope, all []Composed, atomic bool) ([]Made, error) {
	if err := s.authz.Allow(ctx, who, ActCreate); err != nil {
		return nil, err
	}
	if len(all) == 0 || len(all) > MaxBatch {
		return nil, fault.New(fault.Invalid, "batch.size", "Send 1 to %d at a time.", MaxBatch).On("/posts")
	}
	now, err := s.clock(ctx, who)
	if err != nil {
		return nil, err
	}
	posts, out := s.composed(ctx, who, all, now)
	err = s.store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		if err := whole(ctx, tx, posts, out); err != nil {
			return err
		}
		if atomic && slices.Contains(posts, nil) || !slices.ContainsFunc(posts, sound) {
			return errNoneMade
		}
		return saveAll(ctx, tx, who, posts)
	})
	if errors.Is(err, errNoneMade) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for i, p := range posts {
		if p != nil {
			out[i].Draft = &Detail{Post: p}
		}
	}
	return out, nil
}

// errNoneMade takes back a transaction that would change nothing.
var errNoneMade = errors.New("publishing: none is made")

func sound(p *Post) bool { return p != nil }

// whole leaves out those that name what is not there.
func whole(ctx context.Context, tx Tx, posts []*Post, out []Made) error {
	var refs Refs
	for _, p := range posts {
		if p != nil {
			r := p.Content.Refs()
			refs.Channels, refs.Media = append(refs.Channels, r.Channels...), append(refs.Media, r.Media...)
		}
	}
	if len(refs.Channels)+len(refs.Media) == 0 {
		return nil
	}
	unknown, err := tx.Unknown(ctx, refs)
	if err != nil {
		return err
	}
	for i, p := range posts {
		if p == nil {
			continue
		}
		if err := fault.Check(p.Content.dangling(unknown)); err != nil {
			posts[i], out[i].Err = nil, err
		}
	}
	return nil
}

func saveAll(ctx context.Context, tx Tx, who tenants.Scope, posts []*Post) error {
	for _, p := range posts {
		if p == nil {
			continue
		}
		if err := tx.SavePost(ctx, p); err != nil {
			return err
		}
		if err := emit(ctx, tx, "post.created", p); err != nil {
			return err
		}
		if err := tx.Record(ctx, audit.By(who, "post.create", string(p.ID))); err != nil {
			return err
		}
	}
	return nil
}

// clock is the database's.
func (s *Service) clock(ctx context.Context, who tenants.Scope) (now time.Time, err error) {
	err = s.store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) (err error) {
		now, err = tx.Now(ctx)
		return err
	})
	return now, err
}

// composed makes the posts that break no rule, each in its place.
func (s *Service) composed(ctx context.Context, who tenants.Scope, all []Composed, now time.Time) (posts []*Post, out []Made) {
	posts, out = make([]*Post, len(all)), make([]Made, len(all))
	known := described{}
	for i, c := range all {
		p := NewPost(c.Content, who.Actor())
		var err error
		p.Schedule, err = c.Schedule.intent()
		if err == nil && p.Schedule.Local != "" {
			err = p.Schedule.ahead(now)
		}
		if err == nil {
			err = p.Check()
		}
		if err == nil {
			err = s.formats(ctx, who, p.Content, known)
		}
		if err != nil {
			out[i].Err = err
			continue
		}
		posts[i] = p
	}
	return posts, out
}

// Rehearsal is a store that keeps nothing: a Service on it does everything and
// answers as it would, and every transaction is taken back.
func Rehearsal(s Store) Store { return rehearsal{s} }

type rehearsal struct{ Store }

var errTakenBack = errors.New("publishing: only a rehearsal")

// Update implements Store.
func (r rehearsal) Update(ctx context.Context, who tenants.ID, fn func(context.Context, Tx) error) error {
	err := r.Store.Update(ctx, who, func(ctx context.Context, tx Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		return errTakenBack
	})
	if errors.Is(err, errTakenBack) {
		return nil
	}
	return err
}
