package rehearsal

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A server of the author's choice is asked by its own name, one for each host
// if that was said, and a host that was not named is never asked.
func TestAServerOfTheAuthorsChoice(t *testing.T) {
	serve := func(name string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/_objects" {
				_, _ = io.WriteString(w, `[{"id":"1","text":"there"}]`)
				return
			}
			_, _ = io.WriteString(w, name+" as "+r.Host)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	api, upload := serve("api"), serve("upload")
	at := func(url string) string { return strings.TrimPrefix(url, "http://") }
	for name, tt := range map[string]struct {
		said []string
		want map[string]string // by URL
	}{
		"for everything": {[]string{api}, map[string]string{
			"https://api.tern.example/x": "api as " + at(api), "http://upload.tern.example/x": "api as " + at(api), api + "/own": "api as " + at(api),
		}},
		"for each host": {[]string{"api.tern.example=" + api, "upload.tern.example=" + upload + "/"}, map[string]string{
			"https://api.tern.example/x": "api as " + at(api), "https://upload.tern.example/x": "upload as " + at(upload),
			"https://other.tern.example/x": "the fake platform did not answer",
		}},
		"for one apart": {[]string{api, "upload.tern.example=" + upload}, map[string]string{
			"https://api.tern.example/x": "api as " + at(api), "https://upload.tern.example/x": "upload as " + at(upload),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			up, err := Remote(tt.said, "/_objects")
			if err != nil {
				t.Fatal(err)
			}
			p, c := between(t, up)
			p.Allow("*.tern.example")
			for url, want := range tt.want {
				if _, said := get(t, c, url); said != want {
					t.Errorf("%s: %q, want %q", url, said, want)
				}
			}
			if whole := up.URL() != ""; whole != up.Counts() {
				t.Errorf("%q counts: %t", up.URL(), up.Counts())
			}
			if up.Counts() {
				if list, err := up.Objects(t.Context()); err != nil || len(list) != 1 {
					t.Errorf("%v, %v", list, err)
				}
			}
		})
	}
	for _, bad := range []string{"", "tern.example", "ftp://tern.example", "https://user@tern.example", "https://tern.example/api", "host=", "https://"} {
		if _, err := Remote([]string{bad}, ""); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if up, err := Remote([]string{"https://tern.example"}, "/_objects"); err != nil || up.Counts() {
		t.Errorf("a real server would be asked for objects: %v", err)
	}
}

func TestATokenMayComeFromTheEnvironment(t *testing.T) {
	t.Setenv("TERN_TOKEN", "tok-1")
	for text, want := range map[string]string{"{env:TERN_TOKEN}": "tok-1", "Bearer {env:TERN_TOKEN}!": "Bearer tok-1!", "{env:TERN_NONE}": "", "{env:}": "{env:}", "plain": "plain"} {
		if got := Revealed(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
