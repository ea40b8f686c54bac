package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/storage"
)

const limit = 1 << 20

// Run holds b to the Blobs contract. It works under tenants of its own and
// may be run twice on one store.
func Run(t *testing.T, b storage.Blobs) {
	for name, test := range map[string]func(*testing.T, *bench){
		"what is put comes back":             roundTrip,
		"a range is cut at the end":          ranges,
		"a range outside is refused":         outside,
		"what is not there is not found":     missing,
		"a put replaces":                     replace,
		"a put past the limit leaves all":    tooLarge,
		"a reader that fails leaves all":     failing,
		"a canceled put leaves all":          canceled,
		"deleting twice succeeds":            deleteTwice,
		"tenants with equal names are apart": apart,
		"a key cannot leave its tenant":      keys,
		"writers of one key do not mix":      race,
		"nothing is a blob too":              empty,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, &bench{Blobs: b, key: storage.Key{Tenant: id.New("ten"), Name: "media/" + id.New("med")}})
		})
	}
}

type bench struct {
	storage.Blobs
	key storage.Key
}

func (b *bench) put(t *testing.T, key storage.Key, text string) {
	t.Helper()
	info, err := b.Put(t.Context(), key, strings.NewReader(text), storage.PutOptions{Limit: limit, MIME: "image/png"})
	if err != nil {
		t.Fatal(err)
	}
	if info.Bytes != int64(len(text)) || info.MIME != "image/png" {
		t.Errorf("Put says %+v of %d bytes of image/png", info, len(text))
	}
}

func (b *bench) read(t *testing.T, key storage.Key, offset, length int64) string {
	t.Helper()
	r, err := b.Open(t.Context(), key, offset, length)
	if err != nil {
		t.Fatalf("Open(%d, %d): %v", offset, length, err)
	}
	all, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("reading (%d, %d): %v", offset, length, err)
	}
	return string(all)
}

func (b *bench) holds(t *testing.T, want string) {
	t.Helper()
	if got := b.read(t, b.key, 0, -1); got != want {
		t.Errorf("the store holds %.40q, want %.40q", got, want)
	}
}

func wantCode(t *testing.T, what string, err error, code fault.Code, reason string) {
	t.Helper()
	if f := fault.Of(err); f == nil || f.Code != code || (reason != "" && f.Reason != reason) {
		t.Errorf("%s: err = %v, want %s %s", what, err, code, reason)
	}
}

func roundTrip(t *testing.T, b *bench) {
	big := strings.Repeat("carillon ", 40_000)
	b.put(t, b.key, big)
	b.holds(t, big)
	info, err := b.Stat(t.Context(), b.key)
	if err != nil || info.Bytes != int64(len(big)) || info.MIME != "image/png" || info.Modified.IsZero() {
		t.Errorf("Stat = %+v, %v", info, err)
	}
}

func ranges(t *testing.T, b *bench) {
	b.put(t, b.key, "0123456789")
	for _, tc := range []struct {
		offset, length int64
		want           string
	}{{0, 3, "012"}, {3, 4, "3456"}, {8, 100, "89"}, {4, -1, "456789"}, {2, 0, ""}, {10, -1, ""}} {
		if got := b.read(t, b.key, tc.offset, tc.length); got != tc.want {
			t.Errorf("Open(%d, %d) = %q, want %q", tc.offset, tc.length, got, tc.want)
		}
	}
}

func outside(t *testing.T, b *bench) {
	b.put(t, b.key, "0123456789")
	for _, offset := range []int64{-1, 11} {
		_, err := b.Open(t.Context(), b.key, offset, 1)
		wantCode(t, "Open", err, fault.Invalid, "blob.bad_range")
	}
}

func missing(t *testing.T, b *bench) {
	_, err := b.Open(t.Context(), b.key, 0, -1)
	wantCode(t, "Open", err, fault.NotFound, "blob.not_found")
	_, err = b.Stat(t.Context(), b.key)
	wantCode(t, "Stat", err, fault.NotFound, "blob.not_found")
}

func replace(t *testing.T, b *bench) {
	b.put(t, b.key, "a longer text")
	b.put(t, b.key, "short")
	b.holds(t, "short")
}

func tooLarge(t *testing.T, b *bench) {
	b.put(t, b.key, "before")
	over := io.LimitReader(endless{}, limit+1)
	_, err := b.Put(t.Context(), b.key, over, storage.PutOptions{Limit: limit, MIME: "image/png"})
	wantCode(t, "Put", err, fault.Quota, "blob.too_large")
	b.holds(t, "before")
}

func failing(t *testing.T, b *bench) {
	b.put(t, b.key, "before")
	boom := errors.New("boom")
	r := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(boom))
	if _, err := b.Put(t.Context(), b.key, r, storage.PutOptions{Limit: limit, MIME: "image/png"}); !errors.Is(err, boom) {
		t.Errorf("err = %v, want the reader's own", err)
	}
	b.holds(t, "before")
}

func canceled(t *testing.T, b *bench) {
	b.put(t, b.key, "before")
	ctx, cancel := context.WithCancel(t.Context())
	r := io.MultiReader(strings.NewReader("half"), onRead(cancel), strings.NewReader("rest"))
	_, err := b.Put(ctx, b.key, r, storage.PutOptions{Limit: limit, MIME: "image/png"})
	wantCode(t, "Put", err, fault.Canceled, "")
	b.holds(t, "before")
}

func deleteTwice(t *testing.T, b *bench) {
	b.put(t, b.key, "x")
	for range 2 {
		if err := b.Delete(t.Context(), b.key); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.Stat(t.Context(), b.key)
	wantCode(t, "Stat", err, fault.NotFound, "")
}

func apart(t *testing.T, b *bench) {
	theirs := storage.Key{Tenant: id.New("ten"), Name: b.key.Name}
	b.put(t, b.key, "ours")
	b.put(t, theirs, "theirs")
	b.holds(t, "ours")
	if err := b.Delete(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	b.holds(t, "ours")
}

func keys(t *testing.T, b *bench) {
	for _, name := range []string{
		"", "/", "a//b", "../x", "a/../../x", "a/.", ".hidden", "A", "a b", "a\x00b", `a\b`, "a%2fb", "a/", "é", strings.Repeat("a", storage.MaxName+1),
	} {
		key := storage.Key{Tenant: b.key.Tenant, Name: name}
		_, err := b.Put(t.Context(), key, strings.NewReader("x"), storage.PutOptions{Limit: limit, MIME: "image/png"})
		wantCode(t, name, err, fault.Invalid, "blob.bad_key")
		_, err = b.Open(t.Context(), key, 0, -1)
		wantCode(t, name, err, fault.Invalid, "blob.bad_key")
		wantCode(t, name, b.Delete(t.Context(), key), fault.Invalid, "blob.bad_key")
	}
	_, err := b.Stat(t.Context(), storage.Key{Tenant: "..", Name: "x"})
	wantCode(t, "tenant", err, fault.Invalid, "blob.bad_key")
}

func race(t *testing.T, b *bench) {
	var wg sync.WaitGroup
	for _, letter := range []byte("abcd") {
		wg.Go(func() {
			text := bytes.Repeat([]byte{letter}, 100_000)
			if _, err := b.Put(t.Context(), b.key, bytes.NewReader(text), storage.PutOptions{Limit: limit, MIME: "image/png"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := b.read(t, b.key, 0, -1)
	if len(got) != 100_000 || strings.Trim(got, got[:1]) != "" {
		t.Errorf("two writers were mixed: %d bytes", len(got))
	}
}

func empty(t *testing.T, b *bench) {
	b.put(t, b.key, "")
	b.holds(t, "")
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// onRead runs f once, when the reading gets that far.
func onRead(f func()) io.Reader {
	return readerFunc(func([]byte) (int, error) { f(); return 0, io.EOF })
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
