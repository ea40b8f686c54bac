// Package modeltest is the contract of package model as a test suite. Start
// with Run; Checks is the same for those who want to see it fail.
package modeltest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
)

// maxSteps is how many steps a run of the suite may take.
const maxSteps = 100

// Subject is a vendor under test, with a request that it can serve and that
// costs something.
type Subject struct {
	model.Vendor
	Request model.RunRequest
	Charges func() int // how often the account was charged so far
	// Free is a vendor that charges nobody: no step is a commit, and Charges
	// stays 0.
	Free bool
}

// Check is one clause of the contract.
type Check struct {
	Name string
	Run  func(ctx context.Context, s Subject) error
}

// Run holds a vendor to the contract. open returns a fresh Subject.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, check := range Checks() {
		t.Run(check.Name, func(t *testing.T) {
			if err := check.Run(t.Context(), open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Checks lists the clauses.
func Checks() []Check {
	return []Check{
		{"the catalogue is sound and has the model", catalogue},
		{"a run is charged once and ends", charged},
		{"what is not a commit costs nothing", free},
		{"a repeated commit is charged once if the model says so", repeated},
		{"a limit is never exceeded", limited},
		{"a model that is not there is refused", unknown},
		{"a receiver that fails ends the step", receiver},
		{"a canceled call stops", canceled},
	}
}

func find(ctx context.Context, s Subject) (model.Model, error) {
	page, err := s.Models(ctx, model.ModelsRequest{Call: s.Request.Call, Task: s.Request.Task})
	for steps := 0; err == nil && steps < maxSteps; steps++ {
		for _, m := range page.Models {
			if err := m.Check(); err != nil {
				return m, err
			}
			if m.ID == s.Request.Model {
				return m, nil
			}
		}
		if page.Cursor == "" {
			return model.Model{}, fmt.Errorf("the catalogue has no %q", s.Request.Model)
		}
		page, err = s.Models(ctx, model.ModelsRequest{Call: s.Request.Call, Task: s.Request.Task, Cursor: page.Cursor})
	}
	return model.Model{}, errors.Join(err, errors.New("the catalogue does not end"))
}

func catalogue(ctx context.Context, s Subject) error {
	m, err := find(ctx, s)
	if err == nil && (len(m.Prices) == 0) != s.Free {
		return fmt.Errorf("the model has %d prices", len(m.Prices))
	}
	return err
}

// run steps to the end, or to the first commit if upTo is set, and returns the
// request of the next step with the last step's outcome.
func run(ctx context.Context, s Subject, upTo bool) (model.RunRequest, model.Step, error) {
	req := s.Request
	var used int64
	emit := func(e model.Event) error {
		set := 0
		for _, is := range []bool{e.Delta != nil, e.Artifact != nil, e.Progress != nil} {
			if is {
				set++
			}
		}
		if set > 1 || set == 0 && e.Usage == nil {
			return fmt.Errorf("an event says %d things", set)
		}
		if e.Usage != nil {
			if total := sum(*e.Usage); total < used {
				return fmt.Errorf("usage went from %d to %d", used, total)
			} else {
				used = total
			}
		}
		return nil
	}
	for range maxSteps {
		step, err := s.Run(ctx, req, emit)
		if err != nil {
			return req, step, err
		}
		if (step.Next == nil) == (step.Done == nil) {
			return req, step, errors.New("a step has to say either Next or Done")
		}
		if step.Done != nil {
			return req, step, nil
		}
		if len(step.Next.State) > model.MaxState {
			return req, step, fmt.Errorf("a state of %d bytes", len(step.Next.State))
		}
		req.State, req.Commit = step.Next.State, step.Next.Commit
		if req.Commit {
			req.Attempt++
		}
		if req.Commit && upTo {
			return req, step, nil
		}
	}
	return req, model.Step{}, fmt.Errorf("not done after %d steps", maxSteps)
}

func sum(u model.Usage) (n int64) {
	for _, units := range u.Units {
		n += units
	}
	return n
}

func charged(ctx context.Context, s Subject) error {
	_, step, err := run(ctx, s, false)
	if err != nil {
		return err
	}
	if n := s.Charges(); n != 1 && !s.Free || n != 0 && s.Free {
		return fmt.Errorf("charged %d times", n)
	}
	if sum(step.Done.Usage) == 0 {
		return errors.New("done without usage")
	}
	return nil
}

func free(ctx context.Context, s Subject) error {
	for range 3 {
		if _, step, err := run(ctx, s, true); err != nil || (step.Done != nil) != s.Free {
			return errors.Join(err, errors.New("no commit was asked for"))
		}
	}
	if n := s.Charges(); n != 0 {
		return fmt.Errorf("charged %d times before a commit", n)
	}
	return nil
}

func repeated(ctx context.Context, s Subject) error {
	m, err := find(ctx, s)
	if err != nil {
		return err
	}
	native := false
	for _, f := range m.Features {
		native = native || f == model.NativeKey
	}
	req, _, err := run(ctx, s, true)
	if err != nil || !native {
		return err
	}
	for range 2 {
		if _, err := s.Run(ctx, req, func(model.Event) error { return nil }); err != nil {
			return err
		}
	}
	if n := s.Charges(); n != 1 {
		return fmt.Errorf("the same key was charged %d times", n)
	}
	return nil
}

func limited(ctx context.Context, s Subject) error {
	if s.Free {
		return nil
	}
	s.Request.Max = model.Money{Nano: 1, Currency: "USD"}
	_, _, err := run(ctx, s, false)
	if !fault.Is(err, fault.Quota) || errors.Is(err, model.ErrUnknown) {
		return fmt.Errorf("err = %w, want %s for certain", err, fault.Quota)
	}
	if n := s.Charges(); n != 0 {
		return fmt.Errorf("charged %d times over the limit", n)
	}
	return nil
}

func unknown(ctx context.Context, s Subject) error {
	s.Request.Model = "no-such-model"
	if _, _, err := run(ctx, s, false); !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.NotFound) {
		return fmt.Errorf("err = %w, want %s or %s", err, fault.Invalid, fault.NotFound)
	}
	return nil
}

func receiver(ctx context.Context, s Subject) error {
	req, _, err := run(ctx, s, true)
	if err != nil {
		return err
	}
	boom := errors.New("boom")
	for range maxSteps {
		emitted := false
		step, err := s.Run(ctx, req, func(model.Event) error { emitted = true; return boom })
		switch {
		case emitted && !errors.Is(err, boom):
			return fmt.Errorf("err = %w, want the receiver's own", err)
		case err != nil:
			return nil
		case step.Next == nil:
			return nil
		}
		req.State, req.Commit = step.Next.State, step.Next.Commit
	}
	return errors.New("not done")
}

func canceled(ctx context.Context, s Subject) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	_, err := s.Run(ctx, s.Request, func(model.Event) error { return nil })
	if !fault.Is(err, fault.Canceled) {
		return fmt.Errorf("err = %w, want %s", err, fault.Canceled)
	}
	return nil
}
