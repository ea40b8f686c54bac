package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// photo is a real photograph; demo/README.md says whose.
//
//go:embed demo/photo.jpg
var photo []byte

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Do the main job once, on an installation of its own, and say how it went", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), 3*time.Minute)
			defer cancel()
			return runDemo(ctx, c.OutOrStdout())
		},
	}
}

// errDemoDone ends the installation that a demonstration ran on.
var errDemoDone = fmt.Errorf("done")

// runDemo starts an installation in a folder that it removes afterwards, and
// works on it over HTTP like anybody else.
func runDemo(ctx context.Context, out io.Writer) error {
	dir, remove, err := demoDir()
	if err != nil {
		return err
	}
	defer remove()
	if os.Getenv("CARILLON_LOG_LEVEL") == "" {
		_ = os.Setenv("CARILLON_LOG_LEVEL", "error")
	}
	began := time.Now()
	d, err := openDev(ctx, out, devAddrs{api: "127.0.0.1:0", pigeon: "127.0.0.1:0", mail: "127.0.0.1:0"}, dir)
	if err != nil {
		return err
	}
	defer d.close()
	err = d.run(ctx, func(ctx context.Context, k *kernel) error {
		s := &story{out: out, api: k.cfg.URL, began: began}
		s.step("an installation of its own", "database, server, worker and practice network in %s", dir)
		if err := s.tell(ctx); err != nil {
			return fmt.Errorf("step %d, %s: %w", s.n, s.doing, err)
		}
		return errDemoDone
	})
	if errors.Is(err, errDemoDone) {
		_, err = fmt.Fprintf(out, "\nAll of it happened, in %s.\n", time.Since(began).Round(100*time.Millisecond))
	}
	return err
}

// demoDir lies beside the user's own installation, where a database server
// that runs as somebody else can reach it. remove takes away what was made.
func demoDir() (dir string, remove func(), err error) {
	state, err := stateDir()
	if err != nil {
		return "", nil, err
	}
	_, known := os.Stat(state)
	parent := filepath.Join(state, "demo")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp(parent, ""); err != nil {
		return "", nil, err
	}
	remove = func() {
		_ = os.RemoveAll(dir)
		_ = os.Remove(parent) // unless another demonstration is there
		if errors.Is(known, fs.ErrNotExist) {
			_ = os.Remove(state)
		}
	}
	return dir, remove, os.Chmod(dir, 0o755)
}
