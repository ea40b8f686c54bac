package erasure

import (
	"context"
	"strconv"
	"time"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

const (
	// leaseFor is how long a worker may be silent before another follows it.
	leaseFor = 2 * time.Minute
	// batch is how many rows go at a time, and some how many files: a store that
	// takes a second for each is not silent for long.
	batch = 500
	some  = 50
)

// Run erases what is due, one tenant with all below it at a time, until there
// is nothing more. It can be stopped anywhere: the next one goes on.
func (s *Service) Run(ctx context.Context) error {
	for {
		e, err := s.store.Take(ctx, leaseFor)
		if err != nil || e == nil {
			return err
		}
		if err := s.erase(ctx, e); err != nil {
			return err
		}
	}
}

// erase goes stage by stage through all of them: the keys of every tenant before
// anything else of any. A worker that follows another begins anew, and finds
// less to do.
func (s *Service) erase(ctx context.Context, e *Erasure) error {
	for _, stage := range []struct {
		name string
		of   func(context.Context, *Erasure, tenants.ID) error
	}{
		{"keys", func(ctx context.Context, _ *Erasure, t tenants.ID) error { return s.store.DropKeys(ctx, t) }},
		{"files", s.files},
		{"rows", s.rows},
		{"names", s.bury},
	} {
		e.Stage = stage.name
		for _, t := range e.Covers {
			if err := s.store.Progress(ctx, e, leaseFor); err != nil {
				return err
			}
			if err := stage.of(ctx, e, t); err != nil {
				return err
			}
		}
	}
	e.Stage, e.EndedAt = "", s.now()
	return s.store.Finish(ctx, e)
}

func (s *Service) rows(ctx context.Context, e *Erasure, t tenants.ID) error {
	for {
		n, err := s.store.DropRows(ctx, t, batch)
		if err != nil || n == 0 {
			return err
		}
		e.Rows += n
		if err := s.store.Progress(ctx, e, leaseFor); err != nil {
			return err
		}
	}
}

// bury puts up the tombstone before anything of the book goes; after a worker
// that died in between there is one already, and it is right.
func (s *Service) bury(ctx context.Context, e *Erasure, t tenants.ID) error {
	seq, hash, err := s.store.Ended(ctx, t)
	if err != nil {
		return err
	}
	stone := audit.Of(string(tenants.System), "tenant.erased", string(t), "erasure", string(e.ID), "audit_seq", strconv.FormatInt(seq, 10), "audit_hash", hash)
	if err := s.store.Tombstone(ctx, e.Above, stone); err != nil {
		return err
	}
	for done := false; !done; {
		if done, err = s.store.Bury(ctx, t, batch); err != nil {
			return err
		}
		if err := s.store.Progress(ctx, e, leaseFor); err != nil {
			return err
		}
	}
	return nil
}

// files removes bytes while there are rows that know of them.
func (s *Service) files(ctx context.Context, e *Erasure, t tenants.ID) error {
	for after := ""; ; {
		keys, last, err := s.store.Files(ctx, t, after, some)
		if err != nil || last == "" {
			return err
		}
		for _, k := range keys {
			if err := s.blobs.Delete(ctx, k); err != nil {
				return err
			}
		}
		e.Files += int64(len(keys))
		if err := s.store.Progress(ctx, e, leaseFor); err != nil {
			return err
		}
		after = last
	}
}
