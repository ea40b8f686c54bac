package model_test

import (
	"math"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
)

func TestPriceOf(t *testing.T) {
	for name, tc := range map[string]struct {
		nano, per, n, want int64
	}{
		"a million tokens":       {2_500_000_000, 1_000_000, 1_000_000, 2_500_000_000},
		"one token":              {2_500_000_000, 1_000_000, 1, 2_500},
		"rounded up":             {1, 1_000_000, 1, 1},
		"nothing":                {2_500_000_000, 1_000_000, 0, 0},
		"a lot":                  {math.MaxInt64 / 4, math.MaxInt64, math.MaxInt64, math.MaxInt64 / 4},
		"more than there is":     {math.MaxInt64, 1, math.MaxInt64, -1},
		"a negative count":       {1, 1, -1, -1},
		"a price per no units":   {1, 0, 1, -1},
		"just more than can be":  {math.MaxInt64, 1, 1, -1},
		"as much as can be said": {1 << 62, 1, 1, 1 << 62},
	} {
		t.Run(name, func(t *testing.T) {
			p := model.Price{Unit: model.Request, Per: tc.per, Amount: model.Money{Nano: tc.nano, Currency: "USD"}}
			got, err := p.Of(tc.n)
			if tc.want < 0 {
				if !fault.Is(err, fault.Invalid) {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err != nil || got != (model.Money{Nano: tc.want, Currency: "USD"}) {
				t.Errorf("got %v, %v, want %d", got, err, tc.want)
			}
		})
	}
}
