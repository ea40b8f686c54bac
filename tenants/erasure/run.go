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
	// batch is how many rows, or files, go at a time.
	batch = 500
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

// erase destroys the keys of all of them before anything else.
func (s *Service) erase(ctx context.Context, e *Erasure) error {
	if err := s.at(ctx, e, "keys"); err != nil {
		return err
	}
	for _, t := range e.Covers {
		if err := s.store.DropKeys(ctx, t); err != nil {
			return err
		}
	}
	for _, t := range e.Covers {
		if err := s.one(ctx, e, t); err != nil {
			return err
		}
	}
	e.Stage, e.EndedAt = "", s.now()
	return s.store.Finish(ctx, e)
}

func (s *Service) one(ctx context.Context, e *Erasure, t tenants.ID) error {
	if err := s.files(ctx, e, t); err != nil {
		return err
	}
	if err := s.at(ctx, e, "rows"); err != nil {
		return err
	}
	for {
		n, err := s.store.DropRows(ctx, t, batch)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		e.Rows += n
		if err := s.store.Progress(ctx, e, leaseFor); err != nil {
			return err
		}
	}
	return s.bury(ctx, e, t)
}

// bury puts up the tombstone before the book goes. If a worker dies between
// the two there are two of them, which say the same.
func (s *Service) bury(ctx context.Context, e *Erasure, t tenants.ID) error {
	if err := s.at(ctx, e, "names"); err != nil {
		return err
	}
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
	if err := s.at(ctx, e, "files"); err != nil {
		return err
	}
	for after := ""; ; {
		keys, last, err := s.store.Files(ctx, t, after, batch)
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

func (s *Service) at(ctx context.Context, e *Erasure, stage string) error {
	e.Stage = stage
	return s.store.Progress(ctx, e, leaseFor)
}
