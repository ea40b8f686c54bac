package network_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

// bench is a network with a client signed in as "harbour".
type bench struct {
	t     *testing.T
	net   *network.Network
	url   string
	token string
	clock *clock
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t *testing.T, opt network.Options) *bench {
	t.Helper()
	b := &bench{t: t, clock: &clock{now: time.Now()}}
	opt.Now = b.clock.Now
	var err error
	if b.net, err = network.Open(opt); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b.net)
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = b.net.Close() })
	b.url, b.token = server.URL, b.signIn().Access
	return b
}

func (b *bench) signIn() network.Tokens {
	b.t.Helper()
	tokens, err := b.net.SignIn("harbour")
	if err != nil {
		b.t.Fatal(err)
	}
	return tokens
}

// do sends a request and parses what comes back. A broken connection is status 0.
func (b *bench) do(method, path, body string) (int, http.Header, map[string]any) {
	b.t.Helper()
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.token)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, nil
	}
	var parsed map[string]any
	_ = json.Unmarshal(raw, &parsed) // pages are not JSON
	return res.StatusCode, res.Header, parsed
}

func (b *bench) post(text, ref string) int {
	b.t.Helper()
	body, err := json.Marshal(map[string]string{"text": text, "client_ref": ref})
	if err != nil {
		b.t.Fatal(err)
	}
	status, _, _ := b.do("POST", "/api/v1/posts", string(body))
	return status
}

func TestTriggersFireOncePerPost(t *testing.T) {
	cases := map[string]struct {
		first int // status, 0 for none
		kept  bool
		next  int
	}{
		"#429":              {first: 429, next: 201},
		"#expire":           {first: 401, next: 201},
		"#reject":           {first: 422, next: 201},
		"#reset":            {first: 0, next: 201},
		"#503":              {first: 503, next: 201},
		"#slow":             {first: 201, kept: true, next: 201},
		"#dup":              {first: 409, kept: true, next: 201},
		"#drop-reply":       {first: 0, kept: true, next: 201},
		"#500-after-accept": {first: 500, kept: true, next: 201},
		"#garble":           {first: 200, kept: true, next: 201},
	}
	for word, c := range cases {
		t.Run(word, func(t *testing.T) {
			b := open(t, network.Options{SlowFor: 2 * time.Millisecond})
			if got := b.post("Tide "+word+".", "r1"); got != c.first {
				t.Errorf("first try = %d, want %d", got, c.first)
			}
			if kept := len(b.net.Objects()) == 1; kept != c.kept {
				t.Errorf("kept = %t, want %t", kept, c.kept)
			}
			b.token = b.signIn().Access
			if got := b.post("Tide "+word+".", "r1"); got != c.next {
				t.Errorf("second try = %d, want %d", got, c.next)
			}
		})
	}
}

func TestAWordInsideAWordIsNoTrigger(t *testing.T) {
	b := open(t, network.Options{})
	if got := b.post("Room #4290 and #resetting", "r1"); got != 201 {
		t.Errorf("status = %d", got)
	}
}

func TestFaultsFollowTheSeed(t *testing.T) {
	run := func(seed uint64) (statuses []int) {
		b := open(t, network.Options{Faults: network.Faults{Seed: seed, Unavailable: 0.3, FailAfterAccept: 0.3}})
		for _, ref := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			statuses = append(statuses, b.post("Hello", ref))
		}
		return statuses
	}
	first, again, other := run(1), run(1), run(2)
	if string(fmtInts(first)) != string(fmtInts(again)) {
		t.Errorf("one seed, two runs: %v and %v", first, again)
	}
	if string(fmtInts(first)) == string(fmtInts(other)) {
		t.Errorf("two seeds, one run: %v", first)
	}
}

func fmtInts(list []int) []byte {
	raw, _ := json.Marshal(list) // cannot fail
	return raw
}

func TestANewPostIsListedAfterTheLag(t *testing.T) {
	b := open(t, network.Options{IndexLag: 3 * time.Second})
	b.post("Hello", "r1")
	listed := func() int {
		_, _, list := b.do("GET", "/api/v1/posts?marker=r1", "")
		return len(list["posts"].([]any))
	}
	if n := listed(); n != 0 {
		t.Errorf("%d listed at once", n)
	}
	b.clock.advance(3 * time.Second)
	if n := listed(); n != 1 {
		t.Errorf("%d listed after the lag", n)
	}
}

func TestTheJournalOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	b := open(t, network.Options{Dir: dir, NativeKey: true})
	tokens := b.signIn()
	if got := b.post("Kept #drop-reply", "r1"); got != 0 {
		t.Fatalf("status = %d", got)
	}
	if err := b.net.Close(); err != nil {
		t.Fatal(err)
	}
	tear(t, dir)

	again := open(t, network.Options{Dir: dir, NativeKey: true})
	again.token = tokens.Access
	if n := len(again.net.Objects()); n != 1 {
		t.Fatalf("%d posts after a restart", n)
	}
	if got := again.post("Kept #drop-reply", "r1"); got != 200 || len(again.net.Objects()) != 1 {
		t.Errorf("the same client_ref: status %d, %d posts", got, len(again.net.Objects()))
	}
	if got := again.post("Another", "r2"); got != 201 {
		t.Errorf("posting after a torn line: %d", got)
	}
}

func TestRateLimit(t *testing.T) {
	b := open(t, network.Options{RateLimit: 2, RateWindow: time.Minute})
	_, first, _ := b.do("GET", "/api/v1/me", "")
	if got := first.Get("X-RateLimit-Remaining"); got != "1" {
		t.Errorf("remaining = %q", got)
	}
	b.do("GET", "/api/v1/me", "")
	status, head, _ := b.do("GET", "/api/v1/me", "")
	if status != 429 || head.Get("Retry-After") == "" {
		t.Errorf("third = %d, Retry-After %q", status, head.Get("Retry-After"))
	}
	b.clock.advance(time.Minute)
	if status, _, _ := b.do("GET", "/api/v1/me", ""); status != 200 {
		t.Errorf("in the next window = %d", status)
	}
}

func TestRefusals(t *testing.T) {
	b := open(t, network.Options{Processing: time.Minute})
	_, _, picture := b.do("POST", "/api/v1/media?alt=x", picture(t))
	cases := map[string]struct {
		body  string
		want  int
		field string
	}{
		"no JSON":         {"{", 400, ""},
		"empty":           {`{"text":"  "}`, 422, "text"},
		"too long":        {`{"text":"` + strings.Repeat("é", 501) + `"}`, 422, "text"},
		"no parent":       {`{"text":"x","reply_to":"p_none"}`, 404, "reply_to"},
		"unknown media":   {`{"text":"x","media":["m_none"]}`, 422, "media"},
		"media not ready": {`{"text":"x","media":["` + picture["id"].(string) + `"]}`, 409, "media"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			status, _, body := b.do("POST", "/api/v1/posts", c.body)
			field, _ := body["field"].(string)
			if status != c.want || field != c.field {
				t.Errorf("status %d on %q, want %d on %q", status, field, c.want, c.field)
			}
		})
	}
	if n := len(b.net.Objects()); n != 0 {
		t.Errorf("%d posts", n)
	}
	if status, _, _ := b.do("POST", "/api/v1/media", "<svg onload=alert(1)>"); status != 415 {
		t.Errorf("SVG = %d", status)
	}
}

func TestMetricsGrow(t *testing.T) {
	b := open(t, network.Options{AccessLife: 100 * time.Hour})
	b.post("Hello", "r1")
	id := b.net.Objects()[0].ID
	last := -1.0
	for range 4 {
		_, _, body := b.do("GET", "/api/v1/metrics?ids=none,"+id, "")
		list := body["metrics"].([]any)
		if len(list) != 1 {
			t.Fatalf("metrics = %v", list)
		}
		seen := list[0].(map[string]any)["values"].(map[string]any)["impressions"].(float64)
		if seen <= last {
			t.Errorf("impressions went from %v to %v", last, seen)
		}
		last = seen
		b.clock.advance(2 * time.Hour)
	}
}

func picture(t *testing.T) string {
	t.Helper()
	var raw bytes.Buffer
	if err := png.Encode(&raw, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return raw.String()
}
