package metrics_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/metrics"
	"github.com/carillonhq/carillon/core/publishing"
)

func scrape(m *metrics.Metrics) string {
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return rec.Body.String()
}

func TestFiguresAreTold(t *testing.T) {
	m := metrics.New("1.2.3")
	m.HTTP("GET", "/api/v1/posts/{post}", 200, 30*time.Millisecond)
	m.HTTP("BREW", "none", 404, time.Millisecond)
	m.Plugin("org.example", "commit", "ambiguous", 2*time.Second)
	m.Egress("org.example", "commit", "ok")
	m.Job("mail.send", "ok", time.Second)
	m.At(publishing.AtArmed)
	m.Settled(publishing.Live, 250*time.Millisecond)
	m.Settled(publishing.Live, -time.Second) // a later part of a thread
	m.Settled(publishing.Rejected, time.Second)
	m.Watch("carillon_test_busy", "Busy.", metrics.Gauge, []string{"pool"}, func(_ context.Context, is metrics.Is) error {
		is(3, "app")
		is(4, "system")
		return nil
	})
	got := scrape(m)
	for _, want := range []string{
		`carillon_build_info{version="1.2.3"} 1`,
		`carillon_http_request_duration_seconds_bucket{method="GET",route="/api/v1/posts/{post}",status="2xx",le="0.05"} 1`,
		`carillon_http_request_duration_seconds_count{method="other",route="none",status="4xx"} 1`,
		`carillon_plugin_call_duration_seconds_count{method="commit",outcome="ambiguous",plugin="org.example"} 1`,
		`carillon_egress_calls_total{method="commit",outcome="ok",plugin="org.example"} 1`,
		`carillon_job_duration_seconds_count{kind="mail.send",outcome="ok"} 1`,
		`carillon_publish_steps_total{point="armed"} 1`,
		`carillon_segments_settled_total{state="live"} 2`,
		`carillon_segments_settled_total{state="rejected"} 1`,
		`carillon_publish_lateness_seconds_bucket{le="0.3"} 1`,
		`carillon_publish_lateness_seconds_count 1`,
		`carillon_test_busy{pool="app"} 3`,
		`carillon_test_busy{pool="system"} 4`,
		`go_goroutines `,
		`process_resident_memory_bytes `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not told: %s", want)
		}
	}
}

// A database that is away is exactly when the other figures are wanted.
func TestAFigureThatCannotBeReadLeavesTheOthers(t *testing.T) {
	m := metrics.New("dev")
	m.Watch("carillon_test_away", "Away.", metrics.Gauge, nil, func(_ context.Context, is metrics.Is) error {
		is(1)
		return errors.New("the database is away")
	})
	if got := scrape(m); strings.Contains(got, "carillon_test_away 1") || !strings.Contains(got, "go_goroutines ") {
		t.Errorf("told:\n%s", got)
	}
}

func TestProcessesShareNoFigures(t *testing.T) {
	a, b := metrics.New("dev"), metrics.New("dev")
	a.Job("mail.send", "ok", time.Second)
	if strings.Contains(scrape(b), "mail.send") {
		t.Error("what one counted, another told")
	}
}
