// Package ground is what an installation stands on, for the drivers that measure
// it and try it out: a folder, a master key, a database of its own and the
// practice network in this process. What runs on it they start themselves.
//
// Start with Open.
package ground

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillonhq/carillon/adapters/localpg"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/cmd/internal/person"
	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// Ground is owned by whoever opened it.
type Ground struct {
	Dir        string // a database server under another user can enter it
	Key        []byte // the master key
	Database   *localpg.Server
	Owner      string // addresses of the database, for its roles
	App        string
	System     string
	Admin      *pgxpool.Pool // the owner: fills in and counts
	Network    *network.Network
	NetworkURL string

	closers []func()
}

// Open makes a folder below where this machine keeps its databases, called
// after name, and starts a database server with settings in it.
func Open(ctx context.Context, name string, settings map[string]string) (*Ground, error) {
	g := &Ground{Key: make([]byte, 32)}
	_, _ = rand.Read(g.Key) // never fails, see crypto/rand
	for _, step := range []func() error{
		func() error { return g.openDir(name) },
		func() error { return g.openDatabase(ctx, settings) },
		func() error { return g.openNetwork(ctx) },
	} {
		if err := step(); err != nil {
			g.Close()
			return nil, err
		}
	}
	return g, nil
}

// OnClose has fn called by Close, before what was opened earlier is closed.
func (g *Ground) OnClose(fn func()) { g.closers = append(g.closers, fn) }

// Close ends what was started, last first. It may be called again.
func (g *Ground) Close() {
	for i := len(g.closers) - 1; i >= 0; i-- {
		g.closers[i]()
	}
	g.closers = nil
}

func (g *Ground) openDir(name string) error {
	parent, err := localpg.DefaultDir()
	if err != nil {
		return err
	}
	parent = filepath.Join(parent, name)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if g.Dir, err = os.MkdirTemp(parent, ""); err != nil {
		return err
	}
	g.OnClose(func() { _ = os.RemoveAll(g.Dir) })
	return os.Chmod(g.Dir, 0o755)
}

func (g *Ground) openDatabase(ctx context.Context, settings map[string]string) (err error) {
	g.Database, err = localpg.Start(ctx, localpg.Options{Dir: filepath.Join(g.Dir, "postgres"), Database: "carillon", Settings: settings})
	if err != nil {
		return err
	}
	g.OnClose(func() { _ = g.Database.Stop() })
	pass := postgres.MigrateOptions{AppPassword: "app", SystemPassword: "system"}
	g.Owner = g.Database.URL
	if err := postgres.Migrate(ctx, g.Owner, pass); err != nil {
		return err
	}
	if g.App, g.System, err = postgres.RoleURLs(g.Owner, pass); err != nil {
		return err
	}
	if g.Admin, err = pgxpool.New(ctx, g.Owner); err != nil {
		return err
	}
	g.OnClose(g.Admin.Close)
	return nil
}

// openNetwork serves a network that answers at once and forgets nothing.
func (g *Ground) openNetwork(ctx context.Context) (err error) {
	if g.Network, err = network.Open(network.Options{}); err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	g.NetworkURL = "http://" + ln.Addr().String()
	s := &http.Server{Handler: g.Network, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(ln) }()
	g.OnClose(func() { _ = errors.Join(s.Close(), g.Network.Close()) })
	return nil
}

// Env is what every process of the installation is told, and more.
func (g *Ground) Env(more ...string) []string {
	env := append(os.Environ(),
		"DATABASE_URL="+g.Owner, "DATABASE_APP_URL="+g.App, "DATABASE_SYSTEM_URL="+g.System,
		"CARILLON_MASTER_KEY="+base64.StdEncoding.EncodeToString(g.Key),
		"CARILLON_STATE_DIR="+g.Dir, "CARILLON_MAILBOX="+filepath.Join(g.Dir, "mail"),
		"CARILLON_PIGEON_URL="+g.NetworkURL, "CARILLON_ALLOW_LOOPBACK=1",
		"CARILLON_TRUSTED_PROXIES=127.0.0.1/32", "CARILLON_LOG_LEVEL=warn",
	)
	return append(env, more...)
}

// Plugins is a plugin host with the practice network alone, in this process.
func (g *Ground) Plugins() Plugins { return Plugins{pigeon.New(pigeon.Options{BaseURL: g.NetworkURL})} }

// Plugins implements channels.Plugins.
type Plugins struct{ pigeon *pigeon.Pigeon }

// List implements channels.Plugins.
func (p Plugins) List(context.Context) []social.Manifest {
	return []social.Manifest{p.pigeon.Manifest()}
}

// Platform implements channels.Plugins.
func (p Plugins) Platform(_ context.Context, id string) (social.Platform, error) {
	if id != person.Network {
		return nil, fault.New(fault.NotFound, "platform.not_found", "There is no such platform.")
	}
	return p.pigeon, nil
}
