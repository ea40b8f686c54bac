package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
)

// Files go where somebody said, or into a folder that somebody said is to last,
// and never into one that a reboot empties.
func TestFilesNeedAPlaceThatLasts(t *testing.T) {
	for name, tc := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing":      {nil, ""},
		"a folder":     {map[string]string{"CARILLON_STATE_DIR": "/var/lib/carillon"}, "file:///var/lib/carillon/blobs"},
		"a place":      {map[string]string{"CARILLON_BLOB_URL": "mem://"}, "mem://"},
		"both of them": {map[string]string{"CARILLON_STATE_DIR": "/var/lib/carillon", "CARILLON_BLOB_URL": "mem://"}, "mem://"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := loadConfig(func(name string) string { return tc.env[name] })
			if err != nil || c.BlobURL != tc.want {
				t.Errorf("%q, %v", c.BlobURL, err)
			}
			blobs, err := c.openBlobs(t.Context())
			if tc.want == "" && (err == nil || !strings.Contains(err.Error(), "CARILLON_BLOB_URL is not set")) {
				t.Errorf("opens %v, %v", blobs, err)
			}
			if tc.want == "mem://" {
				must(t, err)
				must(t, blobs.Close())
			}
		})
	}
}

// A place that opens and keeps nothing is found.
func TestDoctorTriesThePlaceOfFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	c := config{BlobURL: "file://" + dir}
	blobs, err := c.openBlobs(t.Context())
	must(t, err)
	key := storage.Key{Tenant: string(tenants.NewID()), Name: "doctor/x"}
	must(t, probe(t.Context(), blobs, key))
	if _, err := blobs.Stat(t.Context(), key); !fault.Is(err, fault.NotFound) {
		t.Errorf("the file is still there: %v", err)
	}
	must(t, os.RemoveAll(dir))
	must(t, os.WriteFile(dir, nil, 0o600))
	if err := probe(t.Context(), blobs, key); err == nil {
		t.Error("nothing is wrong, it says")
	}
}

// Whoever mistyped a variable is told which.
func TestMistakesAreNamed(t *testing.T) {
	get := func(name string) string { return map[string]string{"CARILLON_LOG_LEVEL": "loud"}[name] }
	if _, err := loadConfig(get); err == nil || !strings.Contains(err.Error(), "CARILLON_LOG_LEVEL") {
		t.Errorf("a log level that is none: %v", err)
	}
	c := config{DatabaseURL: "foo", Ring: vault.Single(make([]byte, 32))}
	if _, err := c.databases(); err == nil || !strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("a database that is none: %v", err)
	}
}
