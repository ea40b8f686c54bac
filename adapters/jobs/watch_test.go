package jobs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/carillonhq/carillon/ports/fault"
)

func TestAJobIsWatched(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"done":        {nil, "ok"},
		"wait":        {Verdict(fault.New(fault.RateLimited, "r", "Slow down.").After(time.Minute)), "snoozed"},
		"give up":     {Verdict(fault.New(fault.NotFound, "r", "Gone.")), "canceled"},
		"try again":   {Verdict(fault.New(fault.Unavailable, "r", "Away.")), "failed"},
		"with reason": {errors.New("no database"), "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			var kind, outcome string
			w, ok := Watch(func(k, o string, _ time.Duration) { kind, outcome = k, o }).(rivertype.WorkerMiddleware)
			if !ok {
				t.Fatal("River would not call it")
			}
			err := w.Work(t.Context(), &rivertype.JobRow{Kind: "mail.send"}, func(context.Context) error { return tt.err })
			if !errors.Is(err, tt.err) || kind != "mail.send" || outcome != tt.want {
				t.Errorf("%q was %q: %v", kind, outcome, err)
			}
		})
	}
}
