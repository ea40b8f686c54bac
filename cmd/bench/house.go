package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillonhq/carillon/adapters/localpg"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/cmd/internal/proc"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

// house is an installation to measure: a database with real flushes, the
// practice network in this process, and whatever programs a measurement starts.
type house struct {
	opt     options
	dir     string
	key     []byte // the master key
	server  *localpg.Server
	net     *network.Network
	netURL  string
	urls    struct{ owner, app, system string }
	admin   *pgxpool.Pool // a superuser: fills in and counts
	db      *postgres.DB
	people  *people // seeded when first asked for
	paged   bool
	apiAddr string
	api     *proc.Process
	closers []func()
}

func openHouse(ctx context.Context, o options) (h *house, err error) {
	h = &house{opt: o}
	if h.opt.binary, err = filepath.Abs(o.binary); err != nil {
		return nil, err
	}
	if _, err := os.Stat(h.opt.binary); err != nil {
		return nil, fmt.Errorf("%w; build it first, or run: make bench", err)
	}
	for _, step := range []func(context.Context) error{h.openDir, h.openDatabase, h.openNetwork} {
		if err := step(ctx); err != nil {
			h.close()
			return nil, err
		}
	}
	return h, nil
}

func (h *house) onClose(fn func()) { h.closers = append(h.closers, fn) }

func (h *house) close() {
	for i := len(h.closers) - 1; i >= 0; i-- {
		h.closers[i]()
	}
	h.closers = nil
}

// openDir makes a folder that a database server under another user can enter.
func (h *house) openDir(context.Context) error {
	parent, err := localpg.DefaultDir()
	if err != nil {
		return err
	}
	parent = filepath.Join(parent, "bench")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if h.dir, err = os.MkdirTemp(parent, ""); err != nil {
		return err
	}
	h.onClose(func() { _ = os.RemoveAll(h.dir) })
	h.key = make([]byte, 32)
	_, _ = rand.Read(h.key) // never fails, see crypto/rand
	return os.Chmod(h.dir, 0o755)
}

func (h *house) openDatabase(ctx context.Context) (err error) {
	settings := map[string]string{"max_connections": "300", "shared_buffers": "256MB"}
	if h.opt.statements {
		settings["shared_preload_libraries"] = "pg_stat_statements"
		settings["pg_stat_statements.track_planning"] = "on"
	}
	h.server, err = localpg.Start(ctx, localpg.Options{Dir: filepath.Join(h.dir, "postgres"), Database: "carillon", Settings: settings})
	if err != nil {
		return err
	}
	h.onClose(func() { _ = h.server.Stop() })
	pass := postgres.MigrateOptions{AppPassword: "app", SystemPassword: "system"}
	h.urls.owner = h.server.URL
	if err := postgres.Migrate(ctx, h.urls.owner, pass); err != nil {
		return err
	}
	if h.urls.app, h.urls.system, err = postgres.RoleURLs(h.urls.owner, pass); err != nil {
		return err
	}
	if h.admin, err = pgxpool.New(ctx, h.urls.owner); err != nil {
		return err
	}
	h.onClose(h.admin.Close)
	if h.db, err = postgres.Open(ctx, postgres.Config{App: h.urls.app, System: h.urls.system}); err != nil {
		return err
	}
	h.onClose(h.db.Close)
	return nil
}

// openNetwork serves a network that answers at once and forgets nothing.
func (h *house) openNetwork(ctx context.Context) (err error) {
	if h.net, err = network.Open(network.Options{}); err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h.netURL = "http://" + ln.Addr().String()
	s := &http.Server{Handler: h.net, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(ln) }()
	h.onClose(func() { _ = errors.Join(s.Close(), h.net.Close()) })
	return nil
}

// env is what every process of the installation is told.
func (h *house) env() []string {
	return append(os.Environ(),
		"DATABASE_URL="+h.urls.owner, "DATABASE_APP_URL="+h.urls.app, "DATABASE_SYSTEM_URL="+h.urls.system,
		"CARILLON_MASTER_KEY="+base64.StdEncoding.EncodeToString(h.key),
		"CARILLON_STATE_DIR="+h.dir, "CARILLON_MAILBOX="+filepath.Join(h.dir, "mail"),
		"CARILLON_PIGEON_URL="+h.netURL, "CARILLON_PIGEON_SETTLE=10s", "CARILLON_ALLOW_LOOPBACK=1",
		"CARILLON_TRUSTED_PROXIES=127.0.0.1/32", "CARILLON_LOG_LEVEL=warn",
	)
}

// scale shrinks a load for a short run.
func (h *house) scale(n int) int {
	if h.opt.short {
		return max(n/10, 1)
	}
	return n
}
