package sdk_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// A vendor's library may want to try again: there is no second time.
func TestNothingIsPaidForTwice(t *testing.T) {
	var paid atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		paid.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "busy")
	}))
	defer srv.Close()
	p := sdk.Pay(sdk.HTTPClient())
	res, err := p.Do(post(t, srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := io.ReadAll(res.Body); err != nil || string(raw) != "busy" {
		t.Errorf("%q, %v", raw, err)
	}
	_ = res.Body.Close()
	_, err = p.Do(post(t, srv.URL))
	if f := social.FaultOf(err, false); f.Key != "plugin.paid_twice" || f.Kind != social.Ambiguous || f.Source != social.FromPlugin {
		t.Errorf("err = %v", err)
	}
	if paid.Load() != 1 {
		t.Errorf("paid %d times", paid.Load())
	}
}

// What woke up after its deadline was surely not sent, whatever its context
// has noticed of it.
func TestNothingIsPaidForTooLate(t *testing.T) {
	var paid atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { paid.Add(1) }))
	defer srv.Close()
	req := post(t, srv.URL)
	_, err := sdk.Pay(sdk.HTTPClient()).Do(req.WithContext(asleep{req.Context()}))
	if f := social.FaultOf(err, true); f.Kind != social.Transient || paid.Load() != 0 {
		t.Errorf("err = %v, paid %d times", err, paid.Load())
	}
}

// asleep is a context whose deadline has passed without its noticing.
type asleep struct{ context.Context }

func (asleep) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }
