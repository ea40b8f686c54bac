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
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillonhq/carillon/adapters/localpg"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/cmd/internal/proc"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

// rig is an installation: a database, the practice network in this process, and
// the server as it is deployed, with limits that nobody meets.
type rig struct {
	dir     string
	key     []byte
	urls    struct{ owner, app, system string }
	admin   *pgxpool.Pool
	network string
	api     string
	server  *proc.Process
	http    *http.Client
	kernel  *kernel
	closers []func()
}

func openRig(ctx context.Context, o options) (r *rig, err error) {
	r = &rig{key: make([]byte, 32), http: &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 2 * o.Width, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	_, _ = rand.Read(r.key) // never fails, see crypto/rand
	for _, step := range []func(context.Context) error{r.openDir, r.openDatabase, r.openNetwork} {
		if err := step(ctx); err != nil {
			r.close()
			return nil, err
		}
	}
	if err := r.serve(ctx, o.Binary); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *rig) onClose(fn func()) { r.closers = append(r.closers, fn) }

// close ends what was started, last first.
func (r *rig) close() {
	for i := len(r.closers) - 1; i >= 0; i-- {
		r.closers[i]()
	}
}

// openDir makes a folder that a database server under another user can reach.
func (r *rig) openDir(context.Context) error {
	parent, err := localpg.DefaultDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if r.dir, err = os.MkdirTemp(parent, "mutate"); err != nil {
		return err
	}
	r.onClose(func() { _ = os.RemoveAll(r.dir) })
	return os.Chmod(r.dir, 0o755)
}

func (r *rig) openDatabase(ctx context.Context) error {
	pg, err := localpg.Start(ctx, localpg.Options{
		Dir: filepath.Join(r.dir, "postgres"), Database: "carillon",
		// Nothing dies here, so no write needs a disk.
		Settings: map[string]string{"fsync": "off", "max_connections": "200", "shared_buffers": "256MB"},
	})
	if err != nil {
		return err
	}
	r.onClose(func() { _ = pg.Stop() })
	pass := postgres.MigrateOptions{AppPassword: "app", SystemPassword: "system"}
	r.urls.owner = pg.URL
	if err := postgres.Migrate(ctx, r.urls.owner, pass); err != nil {
		return err
	}
	if r.urls.app, r.urls.system, err = postgres.RoleURLs(r.urls.owner, pass); err != nil {
		return err
	}
	if r.admin, err = pgxpool.New(ctx, r.urls.owner); err != nil {
		return err
	}
	r.onClose(r.admin.Close)
	return nil
}

func (r *rig) openNetwork(ctx context.Context) error {
	net1, err := network.Open(network.Options{})
	if err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.network = "http://" + ln.Addr().String()
	s := &http.Server{Handler: net1, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(ln) }()
	r.onClose(func() { _ = errors.Join(s.Close(), net1.Close()) })
	return nil
}

// serve starts the server and the part of an installation that makes people.
func (r *rig) serve(ctx context.Context, binary string) error {
	addr, err := proc.FreeAddr(ctx)
	if err != nil {
		return err
	}
	r.api = "http://" + addr
	if r.kernel, err = openKernel(ctx, r); err != nil {
		return err
	}
	r.onClose(r.kernel.db.Close)
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	cmd := exec.Command(binary, "serve")
	cmd.Env = append(os.Environ(),
		"DATABASE_URL="+r.urls.owner, "DATABASE_APP_URL="+r.urls.app, "DATABASE_SYSTEM_URL="+r.urls.system,
		"CARILLON_MASTER_KEY="+base64.StdEncoding.EncodeToString(r.key), "CARILLON_STATE_DIR="+r.dir, "CARILLON_MAILBOX="+filepath.Join(r.dir, "mail"),
		"CARILLON_ADDR="+addr, "CARILLON_URL="+r.api, "CARILLON_PIGEON_URL="+r.network, "CARILLON_ALLOW_LOOPBACK=1",
		"CARILLON_TRUSTED_PROXIES=127.0.0.1/32", "CARILLON_LOG_LEVEL=warn", "CARILLON_LIMITS_TIMES=1000000",
	)
	if r.server, err = proc.Start(r.dir, "serve", cmd); err != nil {
		return fmt.Errorf("%w; build it first, or run: make mutate", err)
	}
	r.onClose(r.server.Stop)
	return r.server.Ready(ctx, r.api+"/livez", 20*time.Millisecond)
}
