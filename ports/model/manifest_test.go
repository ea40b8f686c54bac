package model_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
)

func usd(nano int64) model.Money { return model.Money{Nano: nano, Currency: "USD"} }

func TestThePriceOfTheDayCounts(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	m := model.Model{Prices: []model.Price{
		{Unit: model.Picture, Per: 1, Amount: usd(40_000_000), When: map[string]string{"quality": "high"}},
		{Unit: model.Picture, Per: 1, Amount: usd(10_000_000)},
		{Unit: model.OutputToken, Per: 1_000_000, Amount: usd(600_000_000)},
		{Unit: model.OutputToken, Per: 1_000_000, Amount: usd(300_000_000), From: day(10)},
	}}
	for name, tc := range map[string]struct {
		units  map[model.Unit]int64
		params map[string]any
		at     time.Time
		micros int64
	}{
		"before the change":      {map[model.Unit]int64{model.OutputToken: 1000}, nil, day(9), 600},
		"from the change on":     {map[model.Unit]int64{model.OutputToken: 1000}, nil, day(10), 300},
		"by parameter":           {map[model.Unit]int64{model.Picture: 2}, map[string]any{"quality": "high"}, day(1), 80_000},
		"another parameter":      {map[model.Unit]int64{model.Picture: 2}, map[string]any{"quality": "low"}, day(1), 20_000},
		"together, rounded up":   {map[model.Unit]int64{model.Picture: 1, model.OutputToken: 1}, nil, day(20), 10_001},
		"a unit without a price": {map[model.Unit]int64{model.Second: 5}, nil, day(1), 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := m.Cost(tc.units, tc.params, tc.at)
			if err != nil || got.Micros() != tc.micros {
				t.Errorf("%d micros, %v; want %d", got.Micros(), err, tc.micros)
			}
		})
	}
}

func TestTwoCurrenciesHaveNoSum(t *testing.T) {
	m := model.Model{Prices: []model.Price{
		{Unit: model.Picture, Per: 1, Amount: usd(1)},
		{Unit: model.Second, Per: 1, Amount: model.Money{Nano: 1, Currency: "EUR"}},
	}}
	if _, err := m.Cost(map[model.Unit]int64{model.Picture: 1, model.Second: 1}, nil, time.Now()); !fault.Is(err, fault.Invalid) {
		t.Errorf("err = %v", err)
	}
}

func TestAManifestIsSound(t *testing.T) {
	one := model.Model{ID: "m", Name: "M", Tasks: []model.Task{model.Chat}}
	for name, tc := range map[string]struct {
		m  model.Manifest
		ok bool
	}{
		"a model":             {model.Manifest{Tasks: []model.Task{model.Chat}, Models: []model.Model{one}}, true},
		"models on demand":    {model.Manifest{Tasks: []model.Task{model.Chat}, Dynamic: true}, true},
		"no models":           {model.Manifest{Tasks: []model.Task{model.Chat}}, false},
		"no tasks":            {model.Manifest{Models: []model.Model{one}}, false},
		"the same twice":      {model.Manifest{Tasks: []model.Task{model.Chat}, Models: []model.Model{one, one}}, false},
		"a task unheard of":   {model.Manifest{Tasks: []model.Task{model.Chat, "dream"}, Models: []model.Model{one}}, false},
		"a task of its own":   {model.Manifest{Tasks: []model.Task{model.Image}, Models: []model.Model{one}}, false},
		"a model without one": {model.Manifest{Tasks: []model.Task{model.Chat}, Models: []model.Model{{ID: "m", Name: "M"}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tc.m.Check(); (err == nil) != tc.ok {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestThePromptOfARequest(t *testing.T) {
	said := func(role string, parts ...string) (m model.Message) {
		m.Role = role
		for _, p := range parts {
			m.Parts = append(m.Parts, model.Part{Text: p})
		}
		return m
	}
	for name, tc := range map[string]struct {
		req  model.RunRequest
		want string
	}{
		"a text":              {model.RunRequest{Texts: []string{" a bell ", "more"}, Messages: []model.Message{said("user", "not this")}}, "a bell"},
		"what a person said":  {model.RunRequest{Messages: []model.Message{said("user", "first"), said("user", "a ", "bell"), said("assistant", "no")}}, "a bell"},
		"the last with words": {model.RunRequest{Messages: []model.Message{said("user", "a bell"), said("user", "", " ")}}, "a bell"},
		"nothing":             {model.RunRequest{Messages: []model.Message{said("system", "be nice")}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.req.Prompt(); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
