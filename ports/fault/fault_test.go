package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
)

func TestOfAlwaysAnswers(t *testing.T) {
	invalid := fault.New(fault.Invalid, "text.too_long", "Too long.")
	for name, tc := range map[string]struct {
		err  error
		want fault.Code
	}{
		"a fault":         {invalid, fault.Invalid},
		"a wrapped fault": {fmt.Errorf("saving: %w", invalid), fault.Invalid},
		"a joined fault":  {errors.Join(errors.New("x"), invalid), fault.Invalid},
		"canceled":        {context.Canceled, fault.Canceled},
		"too late":        {fmt.Errorf("query: %w", context.DeadlineExceeded), fault.Canceled},
		"a stranger":      {errors.New("pq: secret"), fault.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fault.Of(tc.err); got == nil || got.Code != tc.want {
				t.Errorf("Of(%v) = %v, want %s", tc.err, got, tc.want)
			}
		})
	}
	if fault.Of(nil) != nil || fault.Is(nil, fault.Internal) {
		t.Error("nil is a fault")
	}
}

func TestCheckNamesTheFirstErrorAndKeepsAll(t *testing.T) {
	if err := fault.Check([]fault.Violation{{Reason: "alt.missing", Warning: true}}); err != nil {
		t.Errorf("a warning refused the request: %v", err)
	}
	err := fault.Check([]fault.Violation{
		{Field: "/a", Reason: "alt.missing", Warning: true},
		{Field: "/b", Reason: "text.too_long", Message: "Too long."},
	})
	f := fault.Of(err)
	if f.Code != fault.Invalid || f.Field != "/b" || len(f.Violations) != 2 {
		t.Errorf("fault = %+v", f)
	}
}
