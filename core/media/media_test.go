package media_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/media/mediatest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/ports/storage/storagetest"
	"github.com/carillonhq/carillon/tenants"
)

// bench is a Service with everything around it in memory.
type bench struct {
	*media.Service
	store  mediatest.Store
	blobs  storagetest.Memory
	now    time.Time
	who    tenants.Scope
	denied map[tenants.Action]bool
	fail   error // of the blob store
}

func open() *bench {
	b := &bench{now: mediatest.At, who: tenants.Scope{Tenant: tenants.NewID(), User: "usr_x"}, denied: map[tenants.Action]bool{}}
	b.Service = media.New(&b.store, blobs{b}, images{}, links{}, b, func() time.Time { return b.now })
	return b
}

func (b *bench) Allow(_ context.Context, _ tenants.Scope, act tenants.Action) error {
	if b.denied[act] {
		return fault.New(fault.Forbidden, "denied", "No.")
	}
	return nil
}

// blobs is the store, until it fails.
type blobs struct{ b *bench }

func (s blobs) Put(ctx context.Context, key storage.Key, r io.Reader, put storage.PutOptions) (storage.Info, error) {
	if s.b.fail != nil {
		return storage.Info{}, s.b.fail
	}
	return s.b.blobs.Put(ctx, key, r, put)
}

func (s blobs) Open(ctx context.Context, key storage.Key, offset, length int64) (io.ReadCloser, error) {
	return s.b.blobs.Open(ctx, key, offset, length)
}

func (s blobs) Stat(ctx context.Context, key storage.Key) (storage.Info, error) {
	return s.b.blobs.Stat(ctx, key)
}

func (s blobs) Delete(ctx context.Context, key storage.Key) error {
	if s.b.fail != nil {
		return s.b.fail
	}
	return s.b.blobs.Delete(ctx, key)
}

// images finds every file clean unless it says bad.
type images struct{}

func (images) Clean(_ context.Context, r io.Reader) (*media.Picture, error) {
	all, err := io.ReadAll(r)
	if err != nil || bytes.Contains(all, []byte("bad")) {
		return nil, errors.Join(err, media.ErrUnsupported())
	}
	return &media.Picture{
		ReadCloser: io.NopCloser(bytes.NewReader(all)), MIME: "image/png", Bytes: int64(len(all)),
		SHA256: strings.Repeat("ab", 32), Width: 3, Height: 2,
	}, nil
}

type links struct{}

func (links) URL(tenant tenants.ID, id media.ID, ttl time.Duration) string {
	return "http://gateway/" + string(tenant) + "/" + string(id) + "/" + ttl.String()
}

func (b *bench) upload(t *testing.T, text string) *media.Media {
	t.Helper()
	m, err := b.Upload(t.Context(), b.who, media.UploadRequest{Name: "bell.png", Alt: "a bell", Reader: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Second)
	return m
}

func TestUpload(t *testing.T) {
	b := open()
	m := b.upload(t, "pixels")
	got, err := b.Get(t.Context(), b.who, m.ID)
	if err != nil || got.State != media.Ready || got.MIME != "image/png" || got.CreatedBy != "usr_x" || got.Version != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	r, err := b.Open(t.Context(), b.who, m.ID, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	if part, err := io.ReadAll(r); string(part) != "xel" || err != nil {
		t.Errorf("content %q, %v", part, err)
	}
	if diff := cmp.Diff([]media.ID{m.ID}, b.store.Announced()); diff != "" {
		t.Error(diff)
	}
}

func TestARefusedUploadLeavesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		req   media.UploadRequest
		fail  error
		code  fault.Code
		field string
	}{
		"no picture":             {media.UploadRequest{Reader: strings.NewReader("bad")}, nil, fault.Invalid, "/file"},
		"said to be an SVG":      {media.UploadRequest{DeclaredMIME: "image/svg+xml", Reader: strings.NewReader("x")}, nil, fault.Invalid, "/file"},
		"a description too long": {media.UploadRequest{Alt: strings.Repeat("x", media.MaxAlt+1), Reader: strings.NewReader("x")}, nil, fault.Invalid, "/alt"},
		"the store is gone":      {media.UploadRequest{Reader: strings.NewReader("x")}, fault.New(fault.Unavailable, "blob.unavailable", "Gone."), fault.Unavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := open()
			b.fail = tc.fail
			_, err := b.Upload(t.Context(), b.who, tc.req)
			if f := fault.Of(err); f == nil || f.Code != tc.code || f.Field != tc.field {
				t.Fatalf("err = %v, want %s on %s", err, tc.code, tc.field)
			}
			b.fail = nil
			b.now = b.now.Add(2 * media.SweepAfter)
			if _, err := b.Sweep(t.Context(), b.who); err != nil {
				t.Fatal(err)
			}
			if rows, blobs := b.store.Len(b.who.Tenant), b.blobs.Len(); rows != 0 || blobs != 0 {
				t.Errorf("%d rows and %d blobs are left", rows, blobs)
			}
		})
	}
}

func TestNamesAreForPeople(t *testing.T) {
	for name, want := range map[string]string{
		"bell.png": "bell.png", "/etc/passwd": "passwd", `C:\Users\x\b.png`: "b.png", "..": "..", "": "", "a\u202egnp.b\r\n": "agnp.b",
		"\xff" + strings.Repeat("é", 200): strings.Repeat("é", 127),
	} {
		b := open()
		m, err := b.Upload(t.Context(), b.who, media.UploadRequest{Name: name, Reader: strings.NewReader("x")})
		if err != nil || m.Name != want {
			t.Errorf("%q is kept as %q, %v; want %q", name, m.Name, err, want)
		}
	}
}

func TestEveryUseCaseAsksFirst(t *testing.T) {
	b := open()
	m := b.upload(t, "x")
	b.denied = map[tenants.Action]bool{media.ActRead: true, media.ActUpload: true, media.ActManage: true}
	for name, call := range map[string]func() error{
		"upload": func() error {
			_, err := b.Upload(t.Context(), b.who, media.UploadRequest{Reader: strings.NewReader("x")})
			return err
		},
		"get":    func() error { _, err := b.Get(t.Context(), b.who, m.ID); return err },
		"list":   func() error { _, _, err := b.List(t.Context(), b.who, media.Page{Limit: 1}); return err },
		"alt":    func() error { _, err := b.SetAlt(t.Context(), b.who, m.ID, "x", m.Version); return err },
		"attach": func() error { _, err := b.Attach(t.Context(), b.who, []media.ID{m.ID}); return err },
		"open":   func() error { _, err := b.Open(t.Context(), b.who, m.ID, 0, -1); return err },
		"delete": func() error { return b.Delete(t.Context(), b.who, m.ID, false) },
		"sweep":  func() error { _, err := b.Sweep(t.Context(), b.who); return err },
	} {
		if err := call(); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: err = %v, want %s", name, err, fault.Forbidden)
		}
	}
}

func TestList(t *testing.T) {
	b := open()
	first, second, third := b.upload(t, "1"), b.upload(t, "2"), b.upload(t, "3")
	page, next, err := b.List(t.Context(), b.who, media.Page{Limit: 2})
	if err != nil || len(page) != 2 || page[0].ID != third.ID || next != second.ID {
		t.Fatalf("got %v, next %s, %v", page, next, err)
	}
	page, next, err = b.List(t.Context(), b.who, media.Page{Before: next, Limit: 2})
	if err != nil || len(page) != 1 || page[0].ID != first.ID || next != "" {
		t.Errorf("got %v, next %q, %v", page, next, err)
	}
	for _, bad := range []media.Page{{}, {Limit: media.MaxPage + 1}, {Limit: 1, Before: "x"}} {
		if _, _, err := b.List(t.Context(), b.who, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: err = %v", bad, err)
		}
	}
}

func TestSetAlt(t *testing.T) {
	b := open()
	m := b.upload(t, "x")
	changed, err := b.SetAlt(t.Context(), b.who, m.ID, "two bells", m.Version)
	if err != nil || changed.Alt != "two bells" || changed.Version != m.Version+1 {
		t.Fatalf("got %+v, %v", changed, err)
	}
	if _, err := b.SetAlt(t.Context(), b.who, m.ID, "three", m.Version); !fault.Is(err, fault.Conflict) {
		t.Errorf("a stale version: err = %v", err)
	}
}

func TestAttach(t *testing.T) {
	b := open()
	one, two := b.upload(t, "1"), b.upload(t, "22")
	got, err := b.Attach(t.Context(), b.who, []media.ID{two.ID, one.ID, two.ID})
	if err != nil || len(got) != 3 || got[0].ID != string(two.ID) || got[0].Bytes != 2 || got[1].Alt != "a bell" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if want := (links{}).URL(b.who.Tenant, two.ID, media.LinkLife); got[2].URL != want {
		t.Errorf("link %s, want %s", got[2].URL, want)
	}
	foreign := tenants.Scope{Tenant: tenants.NewID()}
	for _, tc := range []struct {
		who tenants.Scope
		id  media.ID
	}{{foreign, one.ID}, {b.who, media.NewID(b.now)}} {
		_, err := b.Attach(t.Context(), tc.who, []media.ID{tc.id})
		if f := fault.Of(err); f == nil || f.Code != fault.NotFound || f.Field != "/0" {
			t.Errorf("err = %v, want %s on /0", err, fault.NotFound)
		}
	}
}

func TestAFileThatAPostShowsStays(t *testing.T) {
	for name, tc := range map[string]struct {
		drafts, planned []string
		force           bool
		named           []string
	}{
		"a draft":                 {[]string{"post_1"}, nil, false, []string{"post_1"}},
		"a planned post":          {nil, []string{"post_2"}, false, []string{"post_2"}},
		"both":                    {[]string{"post_1"}, []string{"post_2"}, false, []string{"post_1", "post_2"}},
		"a draft, by force":       {[]string{"post_1"}, nil, true, nil},
		"a planned one, by force": {[]string{"post_1"}, []string{"post_2"}, true, []string{"post_2"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := open()
			m := b.upload(t, "x")
			b.store.Drafts, b.store.Planned = tc.drafts, tc.planned
			err := b.Delete(t.Context(), b.who, m.ID, tc.force)
			if tc.named == nil {
				if err != nil || b.blobs.Len() != 0 || len(b.store.Drafts) != 0 {
					t.Fatalf("err = %v, %d blobs, drafts %v", err, b.blobs.Len(), b.store.Drafts)
				}
				return
			}
			if f := fault.Of(err); f == nil || f.Reason != "media.in_use" || !slices.Equal(f.Facts.Posts, tc.named) {
				t.Fatalf("err = %v, want media.in_use of %v", err, tc.named)
			}
			if _, err := b.Get(t.Context(), b.who, m.ID); err != nil || b.blobs.Len() != 1 || !slices.Equal(b.store.Drafts, tc.drafts) {
				t.Errorf("something is half gone: %v, %d blobs, drafts %v", err, b.blobs.Len(), b.store.Drafts)
			}
		})
	}
}

// What never became ready is told, once, whoever finds it.
func TestAnUploadThatFailsIsTold(t *testing.T) {
	b := open()
	b.fail = fault.New(fault.Unavailable, "blob.unavailable", "Gone.")
	_, err := b.Upload(t.Context(), b.who, media.UploadRequest{Reader: strings.NewReader("x")})
	if !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	b.fail = nil
	b.now = b.now.Add(2 * media.SweepAfter)
	for range 2 {
		if _, err := b.Sweep(t.Context(), b.who); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.store.Lamented()); n != 1 {
		t.Errorf("told %d times", n)
	}
}

func TestDelete(t *testing.T) {
	b := open()
	m := b.upload(t, "x")
	if err := b.Delete(t.Context(), tenants.Scope{Tenant: tenants.NewID()}, m.ID, false); !fault.Is(err, fault.NotFound) {
		t.Fatalf("another tenant: err = %v", err)
	}
	b.fail = fault.New(fault.Unavailable, "blob.unavailable", "Gone.")
	if err := b.Delete(t.Context(), b.who, m.ID, false); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("the store is gone: err = %v", err)
	}
	if _, err := b.Get(t.Context(), b.who, m.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("a file on its way out is still seen: %v", err)
	}
	b.fail = nil
	b.now = b.now.Add(2 * media.SweepAfter)
	if n, err := b.Sweep(t.Context(), b.who); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	if rows, blobs := b.store.Len(b.who.Tenant), b.blobs.Len(); rows != 0 || blobs != 0 {
		t.Errorf("%d rows and %d blobs are left", rows, blobs)
	}
}
