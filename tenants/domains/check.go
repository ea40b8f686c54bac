package domains

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Verify looks for the proof of a host, now. What it finds, or misses, is in
// the answer. It returns fault.Conflict where the proof is there and the host
// is another tenant's still: that one's proof is looked for daily.
func (s *Service) Verify(ctx context.Context, who tenants.Scope, name ID) (*Domain, error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return nil, err
	}
	d, err := s.read(ctx, who.Tenant, name)
	if err != nil {
		return nil, err
	}
	if err := Entitled(who); err != nil {
		return nil, err
	}
	return s.look(ctx, who, d)
}

// look asks the DNS, outside of any transaction, and then takes note.
func (s *Service) look(ctx context.Context, who tenants.Scope, d *Domain) (*Domain, error) {
	found := s.seek(ctx, d)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.note(ctx, who, d, found)
}

// seek says what is wrong with the proof of d.
func (s *Service) seek(ctx context.Context, d *Domain) Problem {
	texts, err := s.Resolver.TXT(ctx, d.ProofName())
	switch {
	case err != nil && !fault.Is(err, fault.NotFound):
		return NoAnswer
	case len(texts) == 0:
		return NoRecord
	case slices.ContainsFunc(texts, func(t string) bool { return strings.TrimSpace(t) == d.ProofText() }):
		return noProblem
	}
	return OtherText
}

// note keeps what a look found. What a person asked for is in the audit; of what
// workers look at by the clock, only what is news.
func (s *Service) note(ctx context.Context, who tenants.Scope, seen *Domain, found Problem) (d *Domain, err error) {
	err = s.Store.Update(ctx, who.Tenant, func(tx Tx) error {
		if d, err = tx.Domain(ctx, seen.ID); err != nil {
			return err
		}
		if d.Version != seen.Version { // somebody looked meanwhile
			return nil
		}
		was := d.Problem
		turn := d.see(found, s.Now())
		if err := tx.Save(ctx, d); err != nil {
			return err
		}
		if turn != NoTurn || found != was || who.Role != tenants.System { // a worker that saw the same again did nothing
			if err := tx.Record(ctx, audit.By(who, "domain.verify", string(d.ID), "host", d.Host, "state", string(d.State), "problem", string(found))); err != nil {
				return err
			}
		}
		if turn == NoTurn {
			return nil
		}
		if err := elect(ctx, tx); err != nil {
			return err
		}
		if d, err = tx.Domain(ctx, d.ID); err != nil {
			return err
		}
		return tx.Tell(ctx, d, turn)
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// batch is how many claims one Recheck looks at.
const batch = 200

// Recheck looks for every proof that is due. Workers run it. It returns what
// went wrong, after it tried each.
func (s *Service) Recheck(ctx context.Context) error {
	due, err := s.Store.Due(ctx, s.Now(), batch)
	if err != nil {
		return err
	}
	var errs []error
	for _, one := range due {
		who := tenants.SystemScope(one.Tenant)
		d, err := s.read(ctx, one.Tenant, one.Domain)
		if err == nil {
			_, err = s.look(ctx, who, d)
		}
		if fault.Is(err, fault.Conflict) { // another tenant has proved it meanwhile
			err = s.postpone(ctx, who, one.Domain)
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *Service) postpone(ctx context.Context, who tenants.Scope, name ID) error {
	return s.Store.Update(ctx, who.Tenant, func(tx Tx) error {
		d, err := tx.Domain(ctx, name)
		if err != nil {
			return err
		}
		now := s.Now()
		d.CheckedAt, d.UpdatedAt, d.Problem, d.DueAt = now, now, HeldByElse, now.Add(Every)
		return tx.Save(ctx, d)
	})
}
