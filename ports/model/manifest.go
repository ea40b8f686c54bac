package model

import (
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
)

// A Manifest is what a plugin says of itself as a vendor, without being asked
// for a credential.
type Manifest struct {
	Tasks  []Task
	Models []Model // with their prices; empty only if Dynamic
	// Dynamic says that a credential may see more models than these, or others.
	Dynamic bool
}

// Tasks are all there are.
func Tasks() []Task { return []Task{Chat, Embed, Image, Speech, Video, Train, Moderate} }

// Model is the entry with id.
func (m Manifest) Model(id string) (Model, bool) {
	i := slices.IndexFunc(m.Models, func(x Model) bool { return x.ID == id })
	if i < 0 {
		return Model{}, false
	}
	return m.Models[i], true
}

// Check holds the invariants of a manifest: known tasks, sound models of those
// tasks, each once.
func (m Manifest) Check() error {
	if len(m.Tasks) == 0 || len(m.Models) == 0 && !m.Dynamic {
		return fault.New(fault.Invalid, "model.unnamed", "A vendor has to name its tasks and models.")
	}
	for _, t := range m.Tasks {
		if !slices.Contains(Tasks(), t) {
			return fault.New(fault.Invalid, "model.bad_task", "%.40q is no task.", t)
		}
	}
	seen := map[string]bool{}
	for _, x := range m.Models {
		if err := x.Check(); err != nil {
			return err
		}
		if seen[x.ID] {
			return fault.New(fault.Invalid, "model.twice", "%s is listed twice.", x.ID)
		}
		seen[x.ID] = true
		for _, t := range x.Tasks {
			if !slices.Contains(m.Tasks, t) {
				return fault.New(fault.Invalid, "model.bad_task", "%s does %s, which its vendor does not.", x.ID, t)
			}
		}
	}
	return nil
}

// Can reports whether the model does t.
func (m Model) Can(t Task) bool { return slices.Contains(m.Tasks, t) }

// Has reports whether the model has f.
func (m Model) Has(f Feature) bool { return slices.Contains(m.Features, f) }

// PriceOf is what a unit costs at an instant: among the prices that were valid
// then and whose When matches the parameters, the one valid from the latest; of
// those, the first. ok is false if the model has none: the unit is free.
func (m Model) PriceOf(u Unit, params map[string]any, at time.Time) (p Price, ok bool) {
	for _, x := range m.Prices {
		if x.Unit != u || x.From.After(at) || !x.matches(params) {
			continue
		}
		if !ok || x.From.After(p.From) {
			p, ok = x, true
		}
	}
	return p, ok
}

func (p Price) matches(params map[string]any) bool {
	for k, want := range p.When {
		if got, _ := params[k].(string); got != want {
			return false
		}
	}
	return true
}

// Cost is what units come to at an instant. Currency is that of the prices; of
// a model without any it is empty, and the amount zero. It returns
// fault.Invalid if prices of two currencies meet, or no money could pay it.
func (m Model) Cost(units map[Unit]int64, params map[string]any, at time.Time) (Money, error) {
	var sum Money
	for u, n := range units {
		p, ok := m.PriceOf(u, params, at)
		if !ok {
			continue
		}
		one, err := p.Of(n)
		if err != nil {
			return Money{}, err
		}
		if sum.Currency != "" && sum.Currency != one.Currency || sum.Nano > 1<<62-one.Nano {
			return Money{}, errPrice()
		}
		sum = Money{Nano: sum.Nano + one.Nano, Currency: one.Currency}
	}
	return sum, nil
}

// Micros is the amount in millionths, rounded up: what ledgers count in.
func (m Money) Micros() int64 { return m.Nano/1000 + min(1, max(0, m.Nano%1000)) }
