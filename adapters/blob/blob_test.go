package blob_test

import (
	"io/fs"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/carillonhq/carillon/adapters/blob"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/ports/storage/storagetest"
)

func open(t *testing.T, rawURL string) *blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), rawURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestMemory(t *testing.T) { storagetest.Run(t, open(t, "mem://")) }

func TestFolder(t *testing.T) {
	storagetest.Run(t, open(t, "file://"+filepath.Join(t.TempDir(), "new", "blobs")))
}

func TestS3(t *testing.T) { storagetest.Run(t, open(t, s3(t))) }

// s3 starts a server that speaks S3 and returns the URL of a bucket in it.
func s3(t *testing.T) string {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("carillon"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(srv.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	return "s3://carillon?endpoint=" + url.QueryEscape(srv.URL)
}

func TestAFolderIsPrivateAndKeepsNoLeftovers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := open(t, "file://"+dir)
	key := storage.Key{Tenant: id.New("ten"), Name: "media/x"}
	put := storage.PutOptions{Limit: 10, MIME: "image/png"}
	for _, r := range []string{strings.Repeat("x", 11), "short"} {
		_, _ = s.Put(t.Context(), key, strings.NewReader(r), put)
		_, _ = s.Put(t.Context(), key, iotest.ErrReader(os.ErrClosed), put)
	}
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil || len(names) != 2 { // the blob and what is known of it
		t.Errorf("files = %v, err = %v", names, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode = %v, err = %v, want 0700", info.Mode(), err)
	}
}

func TestBadURLsAreRefused(t *testing.T) {
	for _, u := range []string{"", "ftp://x", "file://host/path", "file://relative", "s3://b?nonsense=1", "%"} {
		if s, err := blob.Open(t.Context(), u); err == nil {
			_ = s.Close()
			t.Errorf("Open(%q) succeeded", u)
		}
	}
}

func TestAnUnreachableStoreIsUnavailable(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	srv := httptest.NewServer(nil)
	srv.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	s := open(t, "s3://carillon?endpoint="+url.QueryEscape(srv.URL))
	_, err := s.Stat(t.Context(), storage.Key{Tenant: id.New("ten"), Name: "x"})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("err = %v, want %s", err, fault.Unavailable)
	}
}
