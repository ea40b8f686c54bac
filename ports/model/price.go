package model

import (
	"encoding/json"
	"math/bits"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
)

// ModelsRequest asks for a page of models. An empty Task means every task.
type ModelsRequest struct {
	Call   Call
	Task   Task
	Cursor string
}

// Catalog is a page of models; an empty Cursor means the last.
type Catalog struct {
	Models []Model
	Cursor string
	Fresh  time.Duration // how long it may be cached
}

// Model is one entry of a vendor's catalogue.
type Model struct {
	ID, Name                string
	Tasks                   []Task
	Params                  []byte // JSON Schema of RunRequest.Params; nil means none
	Prices                  []Price
	ContextTokens           int
	MaxOutputTokens         int
	Dimensions              int // of an embedding
	InputMIMEs, OutputMIMEs []string
	Features                []Feature
	Typical                 time.Duration // how long a run takes
	Deprecated              bool
	Successor               string
}

// Feature is something that not every model can do.
type Feature string

// The features.
const (
	Stream     Feature = "stream"
	Tools      Feature = "tools"
	JSONSchema Feature = "json_schema"
	Vision     Feature = "vision"
	Seed       Feature = "seed"
	Cancel     Feature = "cancel"
	NativeKey  Feature = "native_key" // a repeated commit with the same key is charged once
)

// Money is an amount in billionths of a currency's unit, so that a price per
// token is an integer.
type Money struct {
	Nano     int64
	Currency string // ISO 4217
}

// Price is what Per units cost, from an instant on. Model.PriceOf says which
// counts.
type Price struct {
	Unit   Unit
	Amount Money
	Per    int64 // 1_000_000 for a price per million tokens; at least 1
	When   map[string]string
	From   time.Time // zero: always
}

// Unit is what is counted.
type Unit string

// The units.
const (
	InputToken       Unit = "input_token"
	CachedInputToken Unit = "cached_input_token"
	OutputToken      Unit = "output_token"
	Picture          Unit = "image"
	Megapixel        Unit = "megapixel"
	Second           Unit = "second"
	Character        Unit = "character"
	TrainingStep     Unit = "step"
	ReasoningToken   Unit = "reasoning_token"
	CacheWriteToken  Unit = "cache_write_token"
	Request          Unit = "request"
)

// Usage is what was used, by unit. Cost is set only if the vendor states it.
type Usage struct {
	Units map[Unit]int64
	Cost  *Money
}

// Estimate is a price before the work.
type Estimate struct {
	Units  map[Unit]int64 // at most
	Max    Money
	Likely Money
}

// Cancellation is what became of a job.
type Cancellation struct {
	Stopped bool // false: it had ended, or cannot be stopped
	Usage   Usage
}

// Of is the cost of n units, rounded up to a billionth. It returns
// fault.Invalid for an amount that no money could pay.
func (p Price) Of(n int64) (Money, error) {
	if n < 0 || p.Per < 1 || p.Amount.Nano < 0 {
		return Money{}, errPrice()
	}
	hi, lo := bits.Mul64(uint64(n), uint64(p.Amount.Nano))
	lo, carry := bits.Add64(lo, uint64(p.Per-1), 0)
	if hi += carry; hi >= uint64(p.Per) {
		return Money{}, errPrice()
	}
	nano, _ := bits.Div64(hi, lo, uint64(p.Per))
	if nano > 1<<62 {
		return Money{}, errPrice()
	}
	return Money{Nano: int64(nano), Currency: p.Amount.Currency}, nil
}

func errPrice() error {
	return fault.New(fault.Invalid, "model.bad_price", "This price cannot be worked out.")
}

// Check holds the invariants of a catalogue's entry. The host drops one that
// fails, because a price that is wrong is worse than none.
func (m Model) Check() error {
	switch {
	case m.ID == "" || m.Name == "" || len(m.Tasks) == 0:
		return fault.New(fault.Invalid, "model.unnamed", "A model has no id, name or task.")
	case len(m.Params) > 0 && !json.Valid(m.Params):
		return fault.New(fault.Invalid, "model.bad_params", "%s does not say which parameters it takes.", m.ID)
	}
	for _, p := range m.Prices {
		if p.Unit == "" || p.Per < 1 || p.Amount.Nano < 0 || len(p.Amount.Currency) != 3 {
			return errPrice()
		}
	}
	return nil
}
