package httpapi_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
)

// The page into which people paste tokens runs one script of ours, and reaches
// this origin alone.
func TestTheReferenceKeepsToItself(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	code, headers, page := w.call("GET", "/docs", nil, "")
	if code != 200 {
		t.Fatal(code, page)
	}
	policy := headers.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "form-action 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, part+";") {
			t.Errorf("the policy lacks %q: %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("the policy opens something: %s", policy)
	}
	for _, load := range regexp.MustCompile(`(?:src|<link[^>]*href)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if code, loaded, body := w.call("GET", load[1], nil, ""); !strings.HasPrefix(load[1], "/docs/") || code != 200 || loaded.Get("X-Content-Type-Options") != "nosniff" ||
			regexp.MustCompile(`https?://|innerHTML|eval\(|localStorage|sessionStorage|document\.cookie`).MatchString(body) {
			t.Errorf("loads %s: %d", load[1], code)
		}
	}
	if inline := regexp.MustCompile(`<script>|<script[^>]*>[^<]|<style| style=| on[a-z]+="`).FindString(page); inline != "" {
		t.Errorf("something inline: %q", inline)
	}
	for _, has := range []string{`data-method="POST" data-path="/api/v1/posts/{post}:schedule" data-open="tenant"`, `data-name="Idempotency-Key"`, `<pre class="body" data-type="application/json" hidden>`, `data-stream="yes"`} {
		if !strings.Contains(page, has) {
			t.Errorf("the page lacks %s", has)
		}
	}
}
