package gateway_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/gateway"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/media/mediatest"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/ports/storage/storagetest"
	"github.com/carillonhq/carillon/tenants"
)

// files are one tenant's; it is media.Service without who may what.
type files struct {
	tenant tenants.ID
	m      *media.Media
	blobs  storagetest.Memory
}

func (f *files) Get(_ context.Context, who tenants.Scope, id media.ID) (*media.Media, error) {
	if who.Tenant != f.tenant || who.Role != tenants.System || id != f.m.ID {
		return nil, media.ErrNotFound()
	}
	return f.m, nil
}

func (f *files) Open(ctx context.Context, who tenants.Scope, id media.ID, offset, length int64) (io.ReadCloser, error) {
	return f.blobs.Open(ctx, media.Key(who.Tenant, id), offset, length)
}

const content = "0123456789"

type bench struct {
	*gateway.Signer
	http.Handler
	f   *files
	now time.Time
}

func open(t *testing.T) *bench {
	t.Helper()
	m := mediatest.New(mediatest.At, media.Ready)
	m.Bytes = int64(len(content))
	b := &bench{f: &files{tenant: tenants.NewID(), m: m}, now: mediatest.At}
	put := storage.PutOptions{Limit: 100, MIME: m.MIME}
	if _, err := b.f.blobs.Put(t.Context(), media.Key(b.f.tenant, m.ID), strings.NewReader(content), put); err != nil {
		t.Fatal(err)
	}
	b.Signer = gateway.NewSigner(make([]byte, 32), "http://127.0.0.1:1/", func() time.Time { return b.now })
	b.Handler = gateway.New(b.Signer, b.f)
	return b
}

func (b *bench) do(method, url string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func TestAnAddressHandsOutTheFile(t *testing.T) {
	b := open(t)
	url := b.URL(b.f.tenant, b.f.m.ID, time.Minute)
	for name, tc := range map[string]struct {
		method string
		header []string
		status int
		body   string
	}{
		"whole":           {"GET", nil, 200, content},
		"head":            {"HEAD", nil, 200, ""},
		"a range":         {"GET", []string{"Range", "bytes=2-4"}, 206, "234"},
		"the end":         {"GET", []string{"Range", "bytes=-3"}, 206, "789"},
		"past the end":    {"GET", []string{"Range", "bytes=20-"}, 416, "invalid range: failed to overlap\n"},
		"known already":   {"GET", []string{"If-None-Match", `"` + strings.Repeat("0a", 32) + `"`}, 304, ""},
		"another method":  {"POST", nil, 405, "Method Not Allowed\n"},
		"deleting":        {"DELETE", nil, 405, "Method Not Allowed\n"},
		"a range of head": {"HEAD", []string{"Range", "bytes=2-4"}, 206, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := b.do(tc.method, url, tc.header...)
			if w.Code != tc.status || w.Body.String() != tc.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, tc.status, tc.body)
			}
			if tc.status < 300 && (w.Header().Get("Content-Type") != "image/png" || w.Header().Get("X-Content-Type-Options") != "nosniff") {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// A plugin knows a tenant by a pseudonym: an address must not undo that.
func TestAnAddressTellsNothing(t *testing.T) {
	b := open(t)
	url := b.URL(b.f.tenant, b.f.m.ID, time.Minute)
	token := url[strings.LastIndex(url, "/")+1:]
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range []string{url, string(raw)} {
		for _, secret := range []string{string(b.f.tenant), string(b.f.m.ID), string(b.f.tenant)[4:], string(b.f.m.ID)[4:]} {
			if strings.Contains(told, secret) {
				t.Errorf("%q tells %s", told, secret)
			}
		}
	}
	if again := b.URL(b.f.tenant, b.f.m.ID, time.Minute); again == url {
		t.Error("two addresses of a file can be told to be of one file")
	}
}

func TestEverythingElseIsNotThere(t *testing.T) {
	b := open(t)
	good := b.URL(b.f.tenant, b.f.m.ID, time.Minute)
	changed := func(at int, to string) string { return good[:len(good)-at] + to + good[len(good)-at+1:] }
	other := gateway.NewSigner([]byte(strings.Repeat("k", 32)), "http://127.0.0.1:1", time.Now)
	for name, url := range map[string]string{
		"the root":         "/",
		"cut short":        good[:len(good)-4],
		"nothing in it":    "/m/",
		"hardly anything":  "/m/AAAA",
		"a changed end":    changed(40, "."),
		"a changed middle": changed(80, string("AB"[strings.Count(good[len(good)-80:len(good)-79], "A")])),
		"a query":          good + "?x=1",
		"another key":      other.URL(b.f.tenant, b.f.m.ID, time.Hour),
		"run out":          b.URL(b.f.tenant, b.f.m.ID, 0),
		"sealed, not ours": b.URL(tenants.NewID(), b.f.m.ID, time.Minute),
		"sealed, no file":  b.URL(b.f.tenant, media.NewID(b.now), time.Minute),
		"a path too far":   good + "/x",
		"no names at all":  b.URL("../..", "x", time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			w := b.do("GET", url)
			if w.Code == http.StatusOK || strings.Contains(w.Body.String(), content) {
				t.Errorf("%s answers %d %q", url, w.Code, w.Body)
			}
		})
	}
	b.now = b.now.Add(time.Minute)
	if w := b.do("GET", good); w.Code != http.StatusNotFound {
		t.Errorf("after its time the address answers %d", w.Code)
	}
}

func FuzzAddress(f *testing.F) {
	signer := gateway.NewSigner(make([]byte, 32), "http://127.0.0.1:1", time.Now)
	f.Add(strings.TrimPrefix(signer.URL(tenants.NewID(), media.NewID(mediatest.At), time.Minute), "http://127.0.0.1:1/m/"))
	f.Add("")
	h := gateway.New(signer, &files{m: &media.Media{}})
	f.Fuzz(func(t *testing.T, token string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = "/m/" + token
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			t.Errorf("%s answers", r.URL.Path)
		}
	})
}
