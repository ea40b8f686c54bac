package mailbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/mailbox"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/mail"
)

// ticking is a clock that moves a second with each look.
func ticking() func() time.Time {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return func() time.Time { at = at.Add(time.Second); return at }
}

func open(t *testing.T, dir string) *mailbox.Box {
	t.Helper()
	b, err := mailbox.Open(dir, ticking())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnyProcessReadsWhatOneWrote(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	worker, server := open(t, dir), open(t, dir)
	for _, to := range []string{"ann@example.test", "bob@example.test"} {
		if err := worker.Send(t.Context(), mail.Message{Kind: "verify", To: to, Subject: "Hello", Text: "text", HTML: "<p>"}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := server.List()
	if err != nil || len(list) != 2 || list[0].To != "bob@example.test" || list[0].HTML != "<p>" {
		t.Fatalf("%+v, %v", list, err)
	}
	one, err := server.Get(list[1].ID)
	if err != nil || one.To != "ann@example.test" {
		t.Errorf("%+v, %v", one, err)
	}
	for _, name := range []string{"", id.New("msg"), "../../etc/passwd", list[0].ID + "/../" + list[0].ID} {
		if _, err := server.Get(name); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: err = %v", name, err)
		}
	}
}

func TestTheFolderIsItsOwnersAndDoesNotGrow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	b := open(t, dir)
	for range mailbox.Keep + 3 {
		if err := b.Send(t.Context(), mail.Message{To: "ann@example.test", Text: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != mailbox.Keep {
		t.Errorf("%d files, %v", len(files), err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err = os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder mode %v, %v", info.Mode(), err)
	}
}

func get(t *testing.T, b *mailbox.Box, path string) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	b.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	return rec
}

func TestPagesRunNothing(t *testing.T) {
	b := open(t, t.TempDir())
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>`
	if err := b.Send(t.Context(), mail.Message{
		Kind: evil, To: evil, Subject: evil, Text: evil + " https://app.test/#token=abc javascript:alert(1)", HTML: "<p>hi</p>" + evil,
	}); err != nil {
		t.Fatal(err)
	}
	list, err := b.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/m/" + list[0].ID} {
		rec := get(t, b, path)
		if body := rec.Body.String(); !strings.Contains(body, "2026-03-01 12:00:01 UTC") {
			t.Errorf("%s does not say when: %s", path, body)
		}
		body, policy := rec.Body.String(), rec.Header().Get("Content-Security-Policy")
		if rec.Code != http.StatusOK || strings.Contains(body, "<script") || strings.Contains(body, "<img") || strings.Contains(body, `href="javascript:`) {
			t.Errorf("%s: %d\n%s", path, rec.Code, body)
		}
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %s", path, policy)
		}
		sum := sha256.Sum256([]byte(regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(body)[1]))
		if !strings.Contains(policy, base64.StdEncoding.EncodeToString(sum[:])) {
			t.Errorf("%s: the policy does not name the style: %x", path, sum)
		}
		if rec.Header().Get("Referrer-Policy") != "no-referrer" || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", path, rec.Header())
		}
	}
	if body := get(t, b, "/m/"+list[0].ID).Body.String(); !strings.Contains(body, `<a href="https://app.test/#token=abc" rel="noreferrer">`) {
		t.Errorf("no link in\n%s", body)
	}
	rec := get(t, b, "/m/"+list[0].ID+"/html")
	if policy := rec.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "sandbox ") || strings.Contains(policy, "allow-scripts") || strings.Contains(policy, "allow-same-origin") {
		t.Errorf("a message's HTML may run: %s", policy)
	}
}

func TestPages(t *testing.T) {
	b := open(t, t.TempDir())
	if rec := get(t, b, "/"); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "Nothing yet") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if err := b.Send(t.Context(), mail.Message{To: "ann@example.test", Subject: "S", Text: "T"}); err != nil {
		t.Fatal(err)
	}
	var all struct{ Data []mailbox.Entry }
	if err := json.Unmarshal(get(t, b, "/index.json").Body.Bytes(), &all); err != nil || len(all.Data) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	for path, want := range map[string]int{
		"/m/" + all.Data[0].ID: 200, "/m/" + all.Data[0].ID + "/html": 404, "/m/nothing": 404, "/m/" + id.New("msg"): 404, "/elsewhere": 404,
	} {
		if rec := get(t, b, path); rec.Code != want {
			t.Errorf("%s: %d, want %d", path, rec.Code, want)
		}
	}
}
