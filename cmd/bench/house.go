package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/cmd/internal/ground"
	"github.com/carillonhq/carillon/cmd/internal/proc"
)

// house is an installation to measure: a database with real flushes, the
// practice network in this process, and whatever programs a measurement starts.
type house struct {
	*ground.Ground
	opt     options
	db      *postgres.DB
	people  *people // seeded when first asked for
	paged   bool
	apiAddr string
	api     *proc.Process
}

func openHouse(ctx context.Context, o options) (h *house, err error) {
	h = &house{opt: o}
	if h.opt.binary, err = filepath.Abs(o.binary); err != nil {
		return nil, err
	}
	if _, err := os.Stat(h.opt.binary); err != nil {
		return nil, fmt.Errorf("%w; build it first, or run: make bench", err)
	}
	settings := map[string]string{"max_connections": "300", "shared_buffers": "256MB"}
	if o.statements {
		settings["shared_preload_libraries"] = "pg_stat_statements"
		settings["pg_stat_statements.track_planning"] = "on"
	}
	if h.Ground, err = ground.Open(ctx, "bench", settings); err != nil {
		return nil, err
	}
	if h.db, err = postgres.Open(ctx, postgres.Config{App: h.App, System: h.System}); err != nil {
		h.Close()
		return nil, err
	}
	h.OnClose(h.db.Close)
	return h, nil
}

// env is what every process of the installation is told.
func (h *house) env() []string { return h.Env("CARILLON_PIGEON_SETTLE=10s") }

// scale shrinks a load for a short run.
func (h *house) scale(n int) int {
	if h.opt.short {
		return max(n/10, 1)
	}
	return n
}
