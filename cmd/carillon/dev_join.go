package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/carillonhq/carillon/adapters/localpg"
)

// joinDev makes c the configuration of `carillon dev` if no database is named
// and this user has run it: its database, which is shared with one that runs,
// its key and its rules. An operator's command then needs no environment. A
// key is never made here. leave lets go of the database.
func (c *config) joinDev(ctx context.Context) (joined bool, leave func(), err error) {
	leave = func() {}
	if c.DatabaseURL != "" || c.AppURL != "" {
		return false, leave, nil
	}
	dir, err := stateDir()
	if err != nil {
		return false, leave, err
	}
	key := filepath.Join(dir, "master.key")
	for _, made := range []string{key, filepath.Join(dir, "postgres", "data")} {
		if _, err := os.Stat(made); errors.Is(err, fs.ErrNotExist) {
			return false, leave, nil // nobody developed here
		} else if err != nil {
			return false, leave, err
		}
	}
	if len(c.MasterKey) == 0 {
		if c.MasterKey, err = masterKey(key); err != nil {
			return false, leave, err
		}
	}
	database, err := localpg.Start(ctx, localpg.Options{Dir: filepath.Join(dir, "postgres"), Database: "carillon"})
	if err != nil {
		return false, leave, err
	}
	c.StateDir, c.DatabaseURL = dir, database.URL
	c.asDev(dir)
	return true, func() { _ = database.Stop() }, nil
}

// asDev sets what is the same wherever a development server listens.
func (c *config) asDev(dir string) {
	c.BlobURL = "file://" + filepath.Join(dir, "blobs")
	c.Mailbox = filepath.Join(dir, "mail")
	c.AllowLoopback = true
	c.LocalPlugins = os.Getenv("CARILLON_PLUGINS_LOCAL") != "refuse"
	if c.PigeonURL == "" {
		c.PigeonURL = "http://127.0.0.1:8780"
	}
}
