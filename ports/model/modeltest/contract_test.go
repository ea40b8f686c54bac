package modeltest_test

import (
	"context"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/model/modeltest"
)

// echo is the smallest vendor: it says the prompt again for a dollar. Each
// flag breaks one clause.
type echo struct {
	charges map[string]int
	total   int

	noPrice, chargesEarly, forgetsKey, ignoresLimit, takesAnyModel, deafToReceiver, deafToCancel, endless bool
}

func (e *echo) Models(context.Context, model.ModelsRequest) (model.Catalog, error) {
	m := model.Model{
		ID: "echo", Name: "Echo", Tasks: []model.Task{model.Chat}, Features: []model.Feature{model.NativeKey},
		Prices: []model.Price{{Unit: model.Request, Per: 1, Amount: model.Money{Nano: 1e9, Currency: "USD"}}},
	}
	if e.noPrice {
		m.Prices = nil
	}
	return model.Catalog{Models: []model.Model{m}}, nil
}

func (e *echo) Run(ctx context.Context, req model.RunRequest, emit func(model.Event) error) (model.Step, error) {
	switch {
	case ctx.Err() != nil && !e.deafToCancel:
		return model.Step{}, ctx.Err()
	case req.Model != "echo" && !e.takesAnyModel:
		return model.Step{}, fault.New(fault.NotFound, "model.not_found", "There is no such model.")
	case req.Max.Currency != "" && req.Max.Nano < 1e9 && !e.ignoresLimit:
		return model.Step{}, fault.New(fault.Quota, "model.over_limit", "This costs more than it may.")
	case !req.Commit:
		if e.chargesEarly {
			e.total++
		}
		return model.Step{Next: &model.Next{State: []byte("ready"), Commit: !e.endless}}, nil
	}
	if e.charges[req.Call.Idempotency]++; e.charges[req.Call.Idempotency] == 1 || e.forgetsKey {
		e.total++
	}
	err := emit(model.Event{Delta: &model.Delta{Text: req.Messages[0].Parts[0].Text}})
	if err != nil && !e.deafToReceiver {
		return model.Step{}, err
	}
	return model.Step{Done: &model.Done{Reason: "stop", Usage: model.Usage{Units: map[model.Unit]int64{model.Request: 1}}}}, nil
}

func subject(e *echo) modeltest.Subject {
	e.charges = map[string]int{}
	return modeltest.Subject{Vendor: e, Charges: func() int { return e.total }, Request: model.RunRequest{
		Call: model.Call{Idempotency: "k1"}, Task: model.Chat, Model: "echo",
		Messages: []model.Message{{Role: "user", Parts: []model.Part{{Text: "hello"}}}},
	}}
}

func TestTheContractCanBeMet(t *testing.T) {
	modeltest.Run(t, func(*testing.T) modeltest.Subject { return subject(&echo{}) })
}

func TestTheContractCatches(t *testing.T) {
	for name, broken := range map[string]echo{
		"no price":                  {noPrice: true},
		"charging before a commit":  {chargesEarly: true},
		"charging a key twice":      {forgetsKey: true},
		"spending over the limit":   {ignoresLimit: true},
		"taking any model":          {takesAnyModel: true},
		"losing a receiver's error": {deafToReceiver: true},
		"going on when canceled":    {deafToCancel: true},
		"never ending":              {endless: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, check := range modeltest.Checks() {
				e := broken
				if check.Run(t.Context(), subject(&e)) != nil {
					return
				}
			}
			t.Error("every check passed")
		})
	}
}
