package jobs

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Lines about a job say whose it is.
func TestAJobsLinesNameItsTenant(t *testing.T) {
	tenant := tenants.NewID()
	job := &rivertype.JobRow{Kind: "mail.send", ID: 7, EncodedArgs: []byte(`{"tenant":"` + string(tenant) + `","x":1}`)}
	w, _ := Watch(func(string, string, time.Duration) {}).(rivertype.WorkerMiddleware)
	err := w.Work(t.Context(), job, func(ctx context.Context) error {
		if who, err := tenants.FromContext(ctx); err != nil || who.Tenant != tenant {
			t.Errorf("at work for %q, %v", who.Tenant, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r := Report(slog.New(slog.NewJSONHandler(&out, nil)))
	r.HandleError(t.Context(), job, errors.New("no database"))
	r.HandlePanic(t.Context(), job, "oh", "")
	if n := strings.Count(out.String(), `"tenant":"`+string(tenant)+`"`); n != 2 {
		t.Error(out.String())
	}
	none := &rivertype.JobRow{Kind: "events.prune", EncodedArgs: []byte(`{}`)}
	if err := w.Work(t.Context(), none, func(ctx context.Context) error { _, err := tenants.FromContext(ctx); return err }); err == nil {
		t.Error("a job of nobody is somebody's")
	}
}

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
