package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/carillonhq/carillon/adapters/vault"
)

// One run of everything, seen through each window: log, figures, traces, health.
func TestWhatAnOperatorSees(t *testing.T) {
	spans := &receiver{traces: map[string][]string{}}
	otlp := httptest.NewServer(spans)
	t.Cleanup(otlp.Close)
	in := install(t, func(c *config) { c.TraceURL = otlp.URL })
	in.tell(t.Context())
	canaries := in.sing()

	t.Run("health", func(t *testing.T) {
		for url, want := range map[string]int{
			in.operator + "/livez": 200, in.operator + "/readyz": 200, in.k.cfg.URL + "/livez": 200, in.k.cfg.URL + "/readyz": 200,
			in.k.cfg.URL + "/metrics": 404, // not for the public
		} {
			if got, body := in.send("GET", url, nil, ""); got != want {
				t.Errorf("%s: %d %s", url, got, body)
			}
		}
	})
	t.Run("figures", func(t *testing.T) { in.figures(t) })
	in.stop() // sends the last spans
	t.Run("log", func(t *testing.T) { in.logs(t, canaries) })
	t.Run("traces", func(t *testing.T) { spans.check(t, canaries) })
}

func (in *installation) figures(t *testing.T) {
	_, got := in.send("GET", in.operator+"/metrics", nil, "")
	for _, want := range []string{
		`carillon_http_request_duration_seconds_count{method="POST",route="/api/v1/posts/{post}:publish",status="2xx"} 1`,
		`carillon_segments_settled_total{state="live"} 1`, `carillon_publish_lateness_seconds_count 1`,
		`carillon_plugin_call_duration_seconds_count{method="commit",outcome="ok",plugin="org.carillonhq.pigeon"} 1`,
		`carillon_plugin_up{plugin="org.carillonhq.pigeon"} 1`, `carillon_plugin_starts_total{plugin="org.carillonhq.pigeon"} 1`,
		`carillon_workers 1`, `carillon_dispatch_slots 64`, `carillon_dispatch_busy 0`, `carillon_due_segments 0`, `carillon_due_oldest_seconds 0`,
		`carillon_stream_subscribers 1`, `carillon_jobs{state="running"}`, `carillon_db_connections_busy{role="app"}`,
		`carillon_job_duration_seconds_count{kind="identity.mail",outcome="ok"}`, `carillon_egress_refused_total{plugin="org.carillonhq.pigeon"} 0`,
		`carillon_dispatch_claim_age_seconds 0.`, `go_goroutines `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not told: %s", want)
		}
	}
	for _, name := range regexp.MustCompile(`(?m)^# TYPE (carillon_\w+)`).FindAllStringSubmatch(got, -1) {
		manual(t, name[1])
	}
	// Everything that Pigeon's plugin fetched went through the proxy.
	if !regexp.MustCompile(`carillon_egress_requests_total{plugin="org.carillonhq.pigeon"} [1-9]`).MatchString(got) {
		t.Error("the plugin went around the proxy")
	}
}

// manual checks that docs/operations.md explains word.
func manual(t *testing.T, word string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	must(t, err)
	if !strings.Contains(string(page), "`"+word+"`") {
		t.Errorf("docs/operations.md does not explain %s", word)
	}
}

func TestEverySettingIsExplained(t *testing.T) {
	asked := 0
	_, _ = loadConfig(func(name string) string { // what is missing is no matter here
		asked++
		manual(t, name)
		return ""
	})
	if asked < 20 {
		t.Errorf("only %d settings", asked)
	}
}

// sing sends secrets through every door there is, valid ones where there are
// such, and returns them.
func (in *installation) sing() (canaries []string) {
	in.t.Helper()
	api, n := in.k.cfg.URL+"/api/v1", 0
	canary := func(form string) string {
		n++
		c := fmt.Sprintf(form, fmt.Sprintf("cnry%03d", n)+"q7w9e1r3t5y7u9i1o3p5")
		canaries = append(canaries, c)
		return c
	}
	mine := map[string]string{"Authorization": "Bearer " + in.story.token, "Carillon-Tenant": in.story.events.tenant}
	for range 5 {
		in.send("POST", api+"/auth/login", nil, `{"email":"ada@example.com","password":"`+canary("pw-%s")+`"}`)
		in.send("POST", api+"/auth/register", nil, `{"email":"new@example.com","name":"New","password":"`+canary("long %s pass")+`"}`)
		in.send("POST", api+"/auth/password:reset", nil, `{"token":"`+canary("%s")+`","password":"`+canary("reset %s")+`"}`)
		in.send("POST", api+"/auth/verify", nil, `{"token":"`+canary("%s")+`","password":"`+canary("%s")+`"}`)
		in.send("POST", api+"/auth/refresh", map[string]string{"Origin": in.k.cfg.URL, "Cookie": "carillon_refresh=" + canary("%s")}, "{}")
		in.send("POST", api+"/auth/refresh", nil, `{"refresh_token":"`+canary("%s")+`"}`)
		in.send("GET", api+"/posts", map[string]string{"Authorization": "Bearer " + canary("car_live_0123456789abcdefghjkmnpqrs_%s")}, "")
		in.send("GET", api+"/me", map[string]string{"Authorization": "Bearer " + canary("eyJhbGciOiJIUzI1NiJ9.%s.c2ln")}, "")
		in.send("GET", api+"/me", map[string]string{"Authorization": "Basic " + canary("%s")}, "")
		in.send("GET", in.k.cfg.URL+"/oauth/callback?code="+canary("%s")+"&state="+canary("%s"), nil, "")
		in.send("GET", api+"/events/stream?ticket="+canary("%s"), nil, "")
		in.send("GET", api+"/posts/"+canary("%s")+"?token="+canary("%s"), mine, "")
		in.send("POST", api+"/webhooks", mine, `{"url":"`+in.k.cfg.URL+`/hook?token=`+canary("%s")+`"}`)
	}
	// An app password goes to a plugin, and on to a server that is not there.
	_, body := in.send("POST", api+"/connections", mine, `{"platform":"app.bsky"}`)
	var conn struct{ ID string }
	must(in.t, json.Unmarshal([]byte(body), &conn))
	for range 3 {
		in.send("POST", api+"/connections/"+conn.ID+":continue", mine,
			`{"input":{"identifier":"a.example","instance":"127.0.0.1:1","password":"`+canary("%s")+`"}}`)
	}
	return append(canaries, in.real()...)
}

// real are the secrets of the installation itself.
func (in *installation) real() []string {
	o, err := in.d.cfg.databases()
	must(in.t, err)
	master, err := vault.ParseKey(in.masterText())
	must(in.t, err)
	all := []string{
		in.masterText(), hex.EncodeToString(master),
		in.story.token, demoPassword, o.AppPassword, o.SystemPassword,
	}
	if u, err := url.Parse(in.d.cfg.DatabaseURL); err == nil {
		if pw, ok := u.User.Password(); ok {
			all = append(all, pw)
		}
	}
	home, err := url.Parse(in.k.cfg.URL + "/api/v1/auth/refresh")
	must(in.t, err)
	for _, c := range in.story.browser.Jar.Cookies(home) {
		all = append(all, c.Value)
	}
	return all
}

func (in *installation) logs(t *testing.T, canaries []string) {
	if len(canaries) < 50 {
		t.Errorf("only %d canaries", len(canaries))
	}
	log := in.log.String()
	leaks(t, "the log", log, canaries)
	lines := strings.Split(strings.TrimSpace(log), "\n")
	found := false
	for _, line := range lines {
		var l struct {
			Msg, Route, Tenant string
			RequestID          string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("not JSON: %s", line)
		}
		found = found || l.Msg == "answered" && l.Route == "/api/v1/posts/{post}:publish" && l.Tenant == in.story.events.tenant && strings.HasPrefix(l.RequestID, "req_")
	}
	if !found || len(lines) < 60 {
		t.Errorf("%d lines, none of a request that says who, where and which", len(lines))
	}
}

func leaks(t *testing.T, where, text string, canaries []string) {
	t.Helper()
	for _, c := range canaries {
		for _, form := range []string{c, url.QueryEscape(c), base64.StdEncoding.EncodeToString([]byte(c))} {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s has %q: …%s", where, form, text[max(0, i-200):min(len(text), i+len(form)+20)])
				break
			}
		}
	}
}

// A receiver is a collector that remembers the names of spans by trace.
type receiver struct {
	mu     sync.Mutex
	traces map[string][]string
	raw    bytes.Buffer
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	raw, err := io.ReadAll(body)
	var in collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(raw, &in)
	}
	if err != nil || req.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw.Write(raw)
	for _, rs := range in.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				id := hex.EncodeToString(s.GetTraceId())
				r.traces[id] = append(r.traces[id], s.GetName())
			}
		}
	}
}

func (r *receiver) check(t *testing.T, canaries []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	leaks(t, "a trace", r.raw.String(), canaries)
	for what, want := range map[string][]string{
		"a request to its statements": {"POST /api/v1/posts/{post}:publish", "begin", "insert deliveries"},
		"a segment to the platform":   {"segment", "plugin commit", "carillon.plugin.v1.SocialService/Publish", "update segments"},
		"a job":                       {"job identity.mail", "select users"},
	} {
		if !r.has(want) {
			t.Errorf("%s: no trace has %v; there are %v", what, want, r.traces)
		}
	}
	for _, names := range r.traces {
		if i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, "POST 127.0.0.1:") }); i >= 0 && slices.Contains(names, "segment") {
			return
		}
	}
	t.Error("no trace of a segment reaches the platform")
}

func (r *receiver) has(want []string) bool {
	for _, names := range r.traces {
		if !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(names, w) }) {
			return true
		}
	}
	return false
}
