package webhooks_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/webhooks"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/events/eventstest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// The whole way: an event is recorded, fanned out, sent, and accepted by the
// reference library of Standard Webhooks, with the old and the new secret.
func TestSignedDelivery(t *testing.T) {
	var got *http.Request
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer srv.Close()
	us := tenants.SystemScope(tenants.NewID())
	store := new(eventstest.Store)
	s := events.New(store, allowAll{}, eventstest.Sealer{}, webhooks.New(local(), "test"), time.Now)
	e, old, err := s.CreateEndpoint(t.Context(), us, events.NewEndpoint{URL: srv.URL + "/hook"})
	must(t, err)
	_, fresh, err := s.Rotate(t.Context(), us, e.ID, 0)
	must(t, err)
	var event events.ID
	must(t, store.Update(t.Context(), us.Tenant, func(tx events.Tx) (err error) {
		event, err = tx.Emit(t.Context(), events.Draft{Type: events.PostPublished, Subject: id.New("post")})
		return err
	}))

	for _, e := range store.Take(us.Tenant).FanOuts {
		must(t, s.FanOut(t.Context(), us, e))
	}
	for _, d := range store.Take(us.Tenant).Delivers {
		must(t, s.Deliver(t.Context(), us, d.ID, d.Attempt))
	}

	if got == nil || got.Header.Get("webhook-id") != string(event) || got.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("request = %+v", got)
	}
	for name, secret := range map[string]string{"old": old, "fresh": fresh} {
		wh, err := standard.NewWebhook(secret)
		must(t, err)
		if err := wh.Verify(body, got.Header); err != nil {
			t.Errorf("%s secret: %v", name, err)
		}
		if err := wh.Verify(append(body, ' '), got.Header); err == nil {
			t.Errorf("%s secret: a changed body verifies", name)
		}
	}
	log, _, err := s.Deliveries(t.Context(), us, events.DeliveryQuery{Endpoint: e.ID})
	if err != nil || len(log) != 1 || log[0].State != events.Delivered || log[0].Status != 200 {
		t.Errorf("log = %+v, %v", log, err)
	}
}

func TestSend(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/gone", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "gone", http.StatusGone) })
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/gone", http.StatusFound) })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("ä", 5000)) })
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0xff, 'o', 'k', 0xfe}) })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	s := webhooks.New(local(), "test")

	for path, want := range map[string]events.Answer{
		"/gone":  {Status: 410, Excerpt: "gone\n"},
		"/busy":  {Status: 429, RetryAfter: 2 * time.Minute},
		"/away":  {Status: 302},
		"/long":  {Status: 200, Excerpt: strings.Repeat("ä", 1024)},
		"/bytes": {Status: 200, Excerpt: "ok"},
	} {
		got, err := s.Send(t.Context(), events.Message{URL: srv.URL + path})
		must(t, err)
		if path == "/away" {
			got.Excerpt = ""
		}
		if got != want {
			t.Errorf("%s: %d %q %v", path, got.Status, got.Excerpt, got.RetryAfter)
		}
	}
}

func TestSendRefuses(t *testing.T) {
	s := webhooks.New(egress.New(egress.Options{}), "test")
	for _, url := range []string{"https://127.0.0.1/", "http://169.254.169.254/latest", "https://[::1]:443/", "https://localhost/?token=hush"} {
		_, err := s.Send(t.Context(), events.Message{URL: url})
		if !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: err = %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the address is in the error: %v", url, err)
		}
	}
}

// What a person may not call is refused when they name it, on the field they named it in.
func TestEndpointsInsideAreRefused(t *testing.T) {
	us := tenants.SystemScope(tenants.NewID())
	s := events.New(new(eventstest.Store), allowAll{}, eventstest.Sealer{}, webhooks.New(egress.New(egress.Options{}), "test"), time.Now)
	for _, url := range []string{"https://169.254.169.254/latest", "https://[::ffff:10.0.0.1]/", "http://example.com/", "https://me:pw@example.com/", "https://example.com:22/"} {
		_, _, err := s.CreateEndpoint(t.Context(), us, events.NewEndpoint{URL: url})
		if f := fault.Of(err); f == nil || f.Code != fault.Invalid || f.Field != "/url" {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func local() *egress.Egress {
	return egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
}

type allowAll struct{}

func (allowAll) Allow(context.Context, tenants.Scope, tenants.Action) error { return nil }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
