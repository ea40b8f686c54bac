package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// An operator's command finds the installation that `carillon dev` runs, and
// makes nothing where there is none.
func TestACommandJoinsTheDevelopmentInstallation(t *testing.T) {
	dir, err := os.MkdirTemp("/var/tmp", "carillon-join-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755)) //nolint:gosec // the database is another user's
	for _, name := range []string{"DATABASE_URL", "DATABASE_APP_URL", "DATABASE_SYSTEM_URL", "CARILLON_MASTER_KEY", "CARILLON_MASTER_KEY_FILE", "CARILLON_BLOB_URL", "CARILLON_PLUGINS_LOCAL"} {
		t.Setenv(name, "")
	}
	t.Setenv("CARILLON_STATE_DIR", dir)
	cfg, err := loadConfig(os.Getenv)
	must(t, err)
	joined, leave, err := cfg.joinDev(t.Context())
	leave()
	if left, _ := os.ReadDir(dir); joined || err != nil || len(left) > 0 {
		t.Fatalf("nobody developed here: %t, %v, %d files", joined, err, len(left))
	}

	d, err := openDev(t.Context(), io.Discard, devAddrs{api: "127.0.0.1:0", pigeon: "127.0.0.1:0", mail: "127.0.0.1:0"}, "")
	must(t, err)
	defer d.close()
	joined, leave, err = cfg.joinDev(t.Context())
	defer leave()
	if !joined || err != nil {
		t.Fatalf("%t, %v", joined, err)
	}
	if cfg.DatabaseURL != d.cfg.DatabaseURL || !bytes.Equal(cfg.MasterKey, d.cfg.MasterKey) || cfg.BlobURL != d.cfg.BlobURL || !cfg.LocalPlugins {
		t.Errorf("another installation: %s, not %s", cfg.DatabaseURL, d.cfg.DatabaseURL)
	}
	if _, err := cfg.databases(); err != nil || cfg.AppURL != d.cfg.AppURL {
		t.Errorf("%q, %v", cfg.AppURL, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "master.key")); err != nil {
		t.Error(err)
	}
}
