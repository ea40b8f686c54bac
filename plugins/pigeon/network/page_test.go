package network_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

func (b *bench) page(path string) string {
	b.t.Helper()
	res, err := http.Get(b.url + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		b.t.Errorf("%s: policy %q", path, csp)
	}
	return string(raw)
}

func TestPagesShowPostsEscaped(t *testing.T) {
	b := open(t, network.Options{})
	b.post(`<script>alert(1)</script> https://example.com/?a="><img> #tag`, "r1")
	id := b.net.Objects()[0].ID
	b.do("POST", "/api/v1/posts", `{"text":"An answer","reply_to":"`+id+`"}`)
	for _, path := range []string{"/", "/@harbour", "/posts/" + id} {
		page := b.page(path)
		if strings.Contains(page, "<script>alert") || strings.Contains(page, `"><img>`) {
			t.Errorf("%s is not escaped", path)
		}
		if !strings.Contains(page, "An answer") || !strings.Contains(page, "&lt;script&gt;") {
			t.Errorf("%s does not show the thread", path)
		}
	}
}

func TestAnOpenPageHearsOfPosts(t *testing.T) {
	b := open(t, network.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for posted := false; lines.Scan(); {
		switch line := lines.Text(); {
		case line == ": hello" && !posted:
			posted = true
			b.post("News", "r1")
		case line == "event: posted":
			return
		}
	}
	t.Error("the stream ended without the news")
}

func TestDebugAnswersOnLoopbackOnly(t *testing.T) {
	b := open(t, network.Options{})
	b.post("Hello", "r1")
	for address, want := range map[string]int{"127.0.0.1:9": 200, "[::1]:9": 200, "192.0.2.7:9": 404, "": 404} {
		r := httptest.NewRequest(http.MethodGet, "/debug/posts", nil)
		r.RemoteAddr = address
		w := httptest.NewRecorder()
		b.net.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %q = %d, want %d", address, w.Code, want)
		}
		if want == 200 && !strings.Contains(w.Body.String(), `"client_ref":"r1"`) {
			t.Errorf("no client_ref in %s", w.Body)
		}
	}
}

// tear leaves half a line at the end of the journal, as a crash does.
func tear(t *testing.T, dir string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(dir, "journal.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprint(file, `{"kind":"post","val`)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
