package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/carillonhq/carillon/adapters/localpg"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

// dev is a whole installation in one process: a private database, the server,
// a worker, the practice network and a mailbox.
type dev struct {
	cfg     config
	out     io.Writer
	log     *slog.Logger
	network network.Options
	// Listeners that are open before anything that needs their address.
	api, pigeon, mail net.Listener
	database          *localpg.Server // nil if DATABASE_URL names one
	lock              io.Closer       // of the state directory
}

// networkFile, in the state directory, says where its practice network is, or
// was when it last ran.
const networkFile = "network.url"

// devAddrs are where `carillon dev` listens.
type devAddrs struct{ api, pigeon, mail, metrics string }

func devCommand() *cobra.Command {
	var at devAddrs
	c := &cobra.Command{
		Use: "dev", Short: "Run everything on this machine, with a practice network", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := openDev(c.Context(), c.OutOrStdout(), at, "")
			if err != nil {
				return err
			}
			defer d.close()
			return d.run(c.Context(), d.welcome)
		},
	}
	c.Flags().StringVar(&at.api, "addr", "127.0.0.1:8788", "where the server listens")
	c.Flags().StringVar(&at.pigeon, "network-addr", "127.0.0.1:8780", "where the practice network listens")
	c.Flags().StringVar(&at.mail, "mail-addr", "127.0.0.1:8781", "where the mailbox is shown")
	c.Flags().StringVar(&at.metrics, "metrics-addr", "127.0.0.1:8789", "where metrics and health are shown")
	return c
}

// openDev makes the places and the database. An empty dir is the user's own.
func openDev(ctx context.Context, out io.Writer, at devAddrs, dir string) (d *dev, err error) {
	d = &dev{out: out, network: network.Options{RateLimit: 600}}
	if d.cfg, err = loadConfig(os.Getenv); err != nil {
		return nil, err
	}
	if dir == "" {
		if dir, err = stateDir(); err != nil {
			return nil, err
		}
	}
	d.cfg.StateDir = dir
	d.log = logger(d.cfg)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if d.lock, err = lockDir(dir, "carillon dev on "+at.api); err != nil {
		return nil, fmt.Errorf("%w; stop that one, or keep this installation elsewhere: CARILLON_STATE_DIR=/another/folder and other addresses (see --help)", err)
	}
	if err := d.listen(ctx, at); err != nil {
		d.close()
		return nil, err
	}
	if err := d.prepare(ctx, dir); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *dev) listen(ctx context.Context, at devAddrs) error {
	var lc net.ListenConfig
	for _, l := range []struct {
		ln   *net.Listener
		addr string
	}{{&d.api, at.api}, {&d.pigeon, at.pigeon}, {&d.mail, at.mail}} {
		ln, err := lc.Listen(ctx, "tcp", l.addr)
		if err != nil {
			return fmt.Errorf("%w (is another one running? choose another address; see --help)", err)
		}
		*l.ln = ln
	}
	d.cfg.Addr = d.api.Addr().String()
	d.cfg.URL = "http://" + d.cfg.Addr
	d.cfg.PigeonURL = "http://" + d.pigeon.Addr().String()
	d.cfg.Providers = append(d.cfg.Providers, practiceProvider(d.cfg.PigeonURL))
	if d.cfg.PigeonSettle == "" {
		d.cfg.PigeonSettle = "10s" // it is on this machine: no need to wait as for the internet
	}
	d.cfg.AllowLoopback = true
	d.cfg.LocalPlugins = os.Getenv("CARILLON_PLUGINS_LOCAL") != "refuse"
	d.cfg.MetricsAddr = at.metrics
	return nil
}

func (d *dev) prepare(ctx context.Context, dir string) (err error) {
	d.cfg.BlobURL = "file://" + filepath.Join(dir, "blobs")
	d.cfg.Mailbox = filepath.Join(dir, "mail")
	d.network.Dir = filepath.Join(dir, "network")
	d.network.Warn = func(what string) { d.log.WarnContext(ctx, what) }
	if err := os.WriteFile(filepath.Join(dir, networkFile), []byte(d.cfg.PigeonURL+"\n"), 0o600); err != nil {
		return err
	}
	if d.cfg.Ring == nil {
		if d.cfg.Ring, err = masterKey(filepath.Join(dir, "master.key")); err != nil {
			return err
		}
	}
	if d.cfg.DatabaseURL == "" {
		if d.database, err = localpg.Start(ctx, localpg.Options{Dir: filepath.Join(dir, "postgres"), Database: "carillon"}); err != nil {
			return err
		}
		d.cfg.DatabaseURL = d.database.URL
	}
	o, err := d.cfg.databases()
	if err != nil {
		return err
	}
	return postgres.Migrate(ctx, d.cfg.DatabaseURL, o)
}

// stateDir is where this user's installation lives.
func stateDir() (string, error) {
	if dir := os.Getenv("CARILLON_STATE_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	return localpg.DefaultDir()
}

// masterKey reads the keys of this machine, or makes one.
func masterKey(path string) (*vault.Ring, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, vault.KeySize)
		_, _ = rand.Read(key) // never fails, see crypto/rand
		b = []byte(base64.StdEncoding.EncodeToString(key) + "\n")
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		return nil, err
	}
	return vault.ParseRing(string(b))
}

func (d *dev) close() {
	for _, ln := range []net.Listener{d.api, d.pigeon, d.mail} {
		if ln != nil {
			_ = ln.Close()
		}
	}
	if d.database != nil {
		_ = d.database.Stop()
	}
	_ = d.lock.Close()
}

// run serves until ctx is done. then is called once everything is up; what it
// returns, if anything, ends the run.
func (d *dev) run(ctx context.Context, then func(context.Context, *kernel) error) error {
	k, err := open(ctx, d.cfg, d.log)
	if err != nil {
		return err
	}
	defer k.close()
	if err := k.recognise(ctx); err != nil {
		return err
	}
	if err := k.seed(ctx); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if err := k.admin.Enlist(ctx, admin.Shell(), operator.Email, operator.Name, demoPassword); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	w := k.dispatcher()
	g, ctx := errgroup.WithContext(ctx)
	failed, end := d.practice(ctx)
	g.Go(func() error { return failed(ctx) })
	g.Go(func() error { return serveLocal(ctx, d.mail, k.mailbox.Handler()) })
	g.Go(func() error { return k.serveOn(ctx, d.api, w.ready) })
	g.Go(func() error { return k.operate(ctx, w.ready) })
	g.Go(func() error { return k.work(ctx, w) })
	g.Go(func() error { return then(ctx, k) })
	return errors.Join(g.Wait(), end())
}

// practice runs the practice network until end is called, whatever becomes of
// ctx: one that goes first leaves a worker that drains in doubt. failed waits
// until its own ctx is done or the network fails.
func (d *dev) practice(ctx context.Context) (failed func(context.Context) error, end func() error) {
	outlives, last := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	var err error
	go func() {
		defer close(over)
		err = runNetwork(outlives, d.pigeon, d.network)
	}()
	failed = func(ctx context.Context) error {
		select {
		case <-over:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	return failed, func() error {
		last()
		<-over
		return err
	}
}

// typed is this program as a shell beside it takes it, with the folder where it
// would not find it by itself.
func typed(state string) string {
	program, err := os.Executable()
	if err != nil {
		program = "carillon"
	}
	if usual, err := localpg.DefaultDir(); err != nil || usual != state {
		program = "CARILLON_STATE_DIR=" + state + " " + program
	}
	return program
}

// welcome says where everything is. On the first start it also posts
// something, so that there is something to look at.
func (d *dev) welcome(ctx context.Context, k *kernel) error {
	if k.fresh {
		s := &story{out: io.Discard, api: k.cfg.URL}
		if err := s.begin(ctx); err != nil {
			d.log.WarnContext(ctx, "there is no first post", "err", err)
		}
	}
	_, err := fmt.Fprintf(d.out, `
  Carillon is running. Ctrl-C stops it; what you made is kept in %s.

  API and its reference   %s/docs
  Practice network        http://%s
  Mailbox                 http://%s
  Metrics                 http://%s/metrics

  Sign in as the agency   %s
  or a client             %s
  or the operator         %s
  password                %s
  or with an account of the practice network: %s/login

  The operators' realm    %s, the same password, at /api/v1/operator/auth/login
  and the code for it     %s operator code %s

`, k.cfg.StateDir, k.cfg.URL, d.pigeon.Addr(), d.mail.Addr(), k.cfg.MetricsAddr, agencyOwner.Email, clientEditor.Email, operator.Email, demoPassword, k.cfg.URL, operator.Email, typed(k.cfg.StateDir), operator.Email)
	return err
}
