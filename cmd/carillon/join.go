package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/carillonhq/carillon/adapters/localpg"
)

// joinDev completes cfg, which names no database, by the installation that
// `carillon dev` made in this user's state folder, whether that runs at the
// moment or not. It says so on out: what is meant for another installation
// must not go there unseen. Call leave when done.
func joinDev(ctx context.Context, cfg *config, out io.Writer) (leave func(), err error) {
	leave = func() {}
	if cfg.DatabaseURL != "" || cfg.AppURL != "" {
		return leave, nil
	}
	dir, err := stateDir()
	if err != nil {
		return leave, err
	}
	cluster := filepath.Join(dir, "postgres")
	if _, err := os.Stat(filepath.Join(cluster, "data")); errors.Is(err, fs.ErrNotExist) {
		return leave, fmt.Errorf("DATABASE_URL is not set, and there is no `carillon dev` in %s: set CARILLON_STATE_DIR to its folder, or DATABASE_URL to an installation's database", dir)
	}
	if cfg.Ring == nil { // secrets rotate is given the new one
		if cfg.Ring, err = masterKey(filepath.Join(dir, "master.key")); err != nil {
			return leave, err
		}
	}
	network, err := os.ReadFile(filepath.Join(dir, networkFile))
	if err != nil {
		return leave, fmt.Errorf("%w: start `carillon dev` once, which writes it", err)
	}
	cfg.PigeonURL = cmp.Or(cfg.PigeonURL, strings.TrimSpace(string(network)))
	db, err := localpg.Start(ctx, localpg.Options{Dir: cluster, Database: "carillon"})
	if err != nil {
		return leave, err
	}
	cfg.DatabaseURL, cfg.StateDir, cfg.BlobURL = db.URL, dir, "file://"+filepath.Join(dir, "blobs")
	cfg.LocalPlugins = os.Getenv("CARILLON_PLUGINS_LOCAL") != "refuse"
	_, err = fmt.Fprintf(out, "DATABASE_URL is not set: this is about `carillon dev` in %s\n", dir)
	return func() { _ = db.Stop() }, err
}
