package declarative_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/ports/social"
)

const key = "key-of-ann-12345"

// board is the server that testdata/forum.yaml was written for.
type board struct {
	mu      sync.Mutex
	busy    int // how often a file is still busy when asked
	broken  bool
	garbled bool   // files are answered with nonsense
	refuse  string // what the next post is answered with: status and body
	uploads []string
	posts   []map[string]any
}

func (b *board) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	say := func(status int, format string, args ...any) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, format, args...)
	}
	if r.Header.Get("Authorization") != "Bearer "+key {
		say(401, `{"error":"who is %s?"}`, r.Header.Get("Authorization"))
		return
	}
	switch r.Method + " " + r.URL.EscapedPath() {
	case "GET /api/me":
		say(200, `{"profiles":[{"id":9007199254740993,"login":"ann","name":"Ann","board":"a/b"},{"id":2,"login":"bob","name":"Bob"}]}`)
	case "POST /api/files":
		_, _, err := r.FormFile("file")
		b.uploads = append(b.uploads, fmt.Sprint(r.FormValue("description"), " ", r.FormValue("meta"), " ", err))
		if b.garbled {
			say(200, "<html>Bad gateway")
			return
		}
		say(201, `{"id":"f%d"}`, len(b.uploads))
	case "GET /api/files":
		state := "ready"
		if b.busy > 0 {
			b.busy--
			state = "busy"
		} else if b.broken {
			state = "broken"
		}
		say(200, `{"files":[{"state":%q}],"asked":%q}`, state, r.URL.RawQuery)
	case "POST /api/boards/a%2Fb/posts":
		if b.refuse != "" {
			var status int
			var body string
			_, _ = fmt.Sscanf(b.refuse, "%d", &status)
			_, body, _ = strings.Cut(b.refuse, " ")
			say(status, "%s", body)
			return
		}
		var post map[string]any
		_ = json.NewDecoder(r.Body).Decode(&post)
		b.posts = append(b.posts, post)
		say(201, `{"id":"p%d","url":"https://forum.example.com/p","at":"2026-01-02T03:04:05Z","held":true,"cut":true,"board":"a/b"}`, len(b.posts))
	case "GET /api/posts":
		list := []string{}
		for i, p := range b.posts {
			raw, _ := json.Marshal(map[string]any{"id": fmt.Sprint("p", i+1), "mark": p["mark"], "url": "https://forum.example.com/p"})
			list = append(list, string(raw))
		}
		say(200, `{"posts":[%s],"complete":%t}`, strings.Join(list, ","), b.busy == 0)
	case "GET /api/posts/p1/figures":
		say(200, `{"likes":4}`)
	default:
		say(404, `{"error":"no such page"}`)
	}
}

// seat is a plugin with its server, signed in as Ann.
type seat struct {
	*board
	platform social.Platform
	req      social.PublishRequest
}

func sit(t *testing.T) seat {
	t.Helper()
	b := &board{}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	p, err := declarative.Open("testdata/forum.yaml", declarative.Options{HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	step, err := p.(social.Connector).Connect(t.Context(), social.ConnectRequest{
		Input: map[string]string{"instance": strings.TrimPrefix(server.URL, "http://"), "key": key},
	})
	if err != nil {
		t.Fatal(err)
	}
	call := social.Call{Credential: *step.Done, Idempotency: "mark-1"}
	accounts, err := p.(social.Lister).Accounts(t.Context(), call)
	if err != nil || len(accounts) != 2 {
		t.Fatal(accounts, err)
	}
	return seat{b, p, social.PublishRequest{Call: call, Account: accounts[0], Attempt: 1}}
}

func media(t *testing.T, n int) (list []social.Media) {
	t.Helper()
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "picture") }))
	t.Cleanup(gateway.Close)
	for i := range n {
		list = append(list, social.Media{Kind: social.Image, MIME: "image/png", Bytes: 7, Width: 40 + i, Alt: fmt.Sprint("Boat ", i), URL: gateway.URL})
	}
	return list
}

// drive takes steps until the commit or a fault, and says what was done.
func (s *seat) drive(t *testing.T) (labels []string, err error) {
	t.Helper()
	for range 30 {
		step, err := s.platform.Publish(t.Context(), s.req)
		if err != nil {
			return labels, err
		}
		s.req.State, s.req.Commit = step.Next.State, step.Next.Commit
		labels = append(labels, fmt.Sprint(step.Next.Label, " ", step.Next.After))
		if s.req.Commit {
			return labels, nil
		}
	}
	t.Fatal("it does not end")
	return nil, nil
}

func TestAccountsAreMapped(t *testing.T) {
	a := sit(t).req.Account
	a.Public = map[string]string{"board": a.Public["board"]}
	want := social.Account{ID: "9007199254740993", Handle: "@ann", Name: "Ann", Type: "profile", Public: map[string]string{"board": "a/b"}}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
}

func TestStepsUploadsAndWaiting(t *testing.T) {
	s := sit(t)
	s.busy = 2
	s.req.Content = social.Content{Text: "Low tide", Media: media(t, 2), ReplyTo: &social.Ref{ID: "p0"}, Format: "post"}
	labels, err := s.drive(t)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"uploading 0s", "waiting for the files 0s", "waiting for the files 2s", "waiting for the files 2s", "send 0s"}
	if diff := cmp.Diff(want, labels); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`Boat 0 {"width":40} <nil>`, `Boat 1 {"width":41} <nil>`}, s.uploads); diff != "" {
		t.Error(diff)
	}
	step, err := s.platform.Publish(t.Context(), s.req)
	if err != nil {
		t.Fatal(err)
	}
	post := map[string]any{
		"text": "Low tide", "files": []any{"f1", "f2"}, "parent": "p0", "mark": "mark-1", "constant": 7.0, "tags": []any{"a", "post"},
	}
	if diff := cmp.Diff([]map[string]any{post}, s.posts); diff != "" {
		t.Error(diff)
	}
	receipt := &social.Receipt{
		Ref:    social.Ref{ID: "p1", URL: "https://forum.example.com/p", Extra: map[string]string{"board": "a/b"}},
		Status: social.InReview, PublishedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Warnings: []string{"The text was cut."},
	}
	if diff := cmp.Diff(receipt, step.Receipt); diff != "" {
		t.Error(diff)
	}
}

func TestWhatDoesNotFinishIsGivenUp(t *testing.T) {
	s := sit(t)
	s.busy = 100
	s.req.Content = social.Content{Media: media(t, 1)}
	labels, err := s.drive(t)
	if f := social.FaultOf(err, false); f.Kind != social.Permanent || f.Key != "forum.wait_unfinished" || len(labels) != 5 {
		t.Errorf("%v after %q", err, labels)
	}
	s = sit(t)
	s.broken = true
	s.req.Content = social.Content{Media: media(t, 1)}
	if _, err := s.drive(t); social.FaultOf(err, false).Key != "forum.broken_file" {
		t.Errorf("err = %v", err)
	}
}

// Before the commit nothing counts yet, so an upload whose answer cannot be
// read is made again, and the cause says what could not be worked out.
func TestAGarbledUploadIsTriedAgain(t *testing.T) {
	s := sit(t)
	s.garbled = true
	s.req.Content = social.Content{Media: media(t, 1)}
	_, err := s.drive(t)
	f := social.FaultOf(err, false)
	if err == nil || f.Kind != social.Transient || f.Key != "forum.odd_answer" || f.Err == nil || !strings.Contains(f.Err.Error(), "step upload, save.files: ") {
		t.Errorf("%v (%v)", err, f.Err)
	}
}

func TestAnswersToACommit(t *testing.T) {
	for answer, want := range map[string]struct {
		kind  social.Kind
		key   string
		after time.Duration
	}{
		`429 {"error":"slow"}`:           {social.RateLimited, "forum.slow_down", time.Minute},
		`401 {}`:                         {social.AuthRevoked, "forum.revoked", 0},
		`422 {"error":"text"}`:           {social.Invalid, "forum.invalid", 0},
		`200 {"error":"duplicate"}`:      {social.Duplicate, "forum.duplicate", 0},
		`200 {"error":"something else"}`: {social.Ambiguous, "forum.odd_answer", 0},
		`200 {}`:                         {social.Ambiguous, "forum.odd_answer", 0},
		`200 <html>`:                     {social.Ambiguous, "forum.odd_answer", 0},
		`204 `:                           {social.Ambiguous, "forum.odd_answer", 0},
		`302 {}`:                         {social.Ambiguous, "forum.odd_answer", 0},
		`500 {"error":"duplicate"}`:      {social.Ambiguous, "forum.odd_answer", 0},
		`503 {"error":"maintenance","minutes":2}`:     {social.Transient, "forum.maintenance", 2 * time.Minute},
		`503 {"error":"maintenance","minutes":"x"}`:   {social.Transient, "forum.maintenance", 0},
		`503 {"error":"maintenance","minutes":1e300}`: {social.Transient, "forum.maintenance", 24 * time.Hour},
		`408 {}`: {social.Invalid, "forum.invalid", 0},
		`429 {"error":"` + strings.Repeat("x", 9000) + `"}`: {social.RateLimited, "forum.slow_down", time.Minute},
	} {
		t.Run(answer[:min(len(answer), 30)], func(t *testing.T) {
			s := sit(t)
			s.req.Content = social.Content{Text: "Low tide"}
			if _, err := s.drive(t); err != nil {
				t.Fatal(err)
			}
			s.refuse = answer
			_, err := s.platform.Publish(t.Context(), s.req)
			f := social.FaultOf(err, true)
			if strings.HasPrefix(answer, "408") {
				want.kind, want.key = social.Ambiguous, "forum.invalid" // its rule does not say that it was surely refused
			}
			if err == nil || f.Kind != want.kind || f.Key != want.key || f.RetryAfter != want.after || len(f.Upstream) > 2<<10 {
				t.Errorf("fault = %s %s %s, want %+v", f.Kind, f.Key, f.RetryAfter, want)
			}
		})
	}
}

func TestSecretsStayOutOfFaults(t *testing.T) {
	s := sit(t)
	s.req.Call.Credential.Secrets["key"] = "key-of-someone-else"
	_, err := s.platform.(social.Lister).Accounts(t.Context(), s.req.Call)
	f := social.FaultOf(err, false)
	if f.Kind != social.AuthRevoked || !strings.Contains(f.Upstream, "Bearer ***") || strings.Contains(f.Upstream+f.Error(), "someone-else") {
		t.Errorf("fault = %v, upstream %q", f, f.Upstream)
	}
}

func TestFind(t *testing.T) {
	s := sit(t)
	find := social.FindRequest{Call: s.req.Call, Account: s.req.Account, Since: time.Now()}
	ask := func() social.Finding {
		got, err := s.platform.(social.Finder).Find(t.Context(), find)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := ask(); got.Verdict != social.Absent {
		t.Errorf("verdict = %s", got.Verdict)
	}
	s.busy = 1
	if got := ask(); got.Verdict != social.Unsure || got.After != 10*time.Second {
		t.Errorf("verdict = %s after %s", got.Verdict, got.After)
	}
	s.posts = []map[string]any{{"mark": "other"}, {"mark": "mark-1"}}
	if got := ask(); got.Verdict != social.Found || got.Receipt.Ref.ID != "p2" {
		t.Errorf("finding = %+v", got)
	}
	find.Taken = []string{"p2"}
	if got := ask(); got.Verdict == social.Found {
		t.Errorf("it took another post's: %+v", got)
	}
}

func TestMetricsSkipWhatIsGone(t *testing.T) {
	s := sit(t)
	got, err := s.platform.(social.Meter).Metrics(t.Context(), social.MetricsRequest{Call: s.req.Call, Posts: []social.Ref{{ID: "p9"}, {ID: "p1"}}})
	if err != nil || len(got) != 1 || got[0].Values["likes"] != 4 || got[0].Values["comments"] != 0 {
		t.Errorf("metrics = %+v, %v", got, err)
	}
}

func TestStateOfAnotherTimeIsRefused(t *testing.T) {
	s := sit(t)
	s.req.Content, s.req.Commit = social.Content{Text: "x"}, true
	for name, state := range map[string]string{"garbage": "{", "a preparing step": `{"step":"wait"}`} {
		if name == "a preparing step" {
			s.req.Content.Media = media(t, 1)
		}
		s.req.State = []byte(state)
		if _, err := s.platform.Publish(t.Context(), s.req); social.FaultOf(err, true).Kind != social.Permanent {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.posts) != 0 {
		t.Error("it was sent")
	}
}

func TestUpstreamIsLoopbackOnly(t *testing.T) {
	_, err := declarative.Open("testdata/forum.yaml", declarative.Options{Upstream: map[string]string{"a": "http://example.com"}})
	if err == nil {
		t.Error("tokens may be sent anywhere")
	}
}
