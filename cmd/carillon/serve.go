package main

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/carillonhq/carillon/adapters/httpapi"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/stream"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Answer requests; run any number of them on one database", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return process(c, (*kernel).serve) },
	}
}

// process opens a kernel from the environment and runs it until the command's
// context is done.
func process(c *cobra.Command, run func(*kernel, context.Context) error) error {
	cfg, err := loadConfig(os.Getenv)
	if err != nil {
		return err
	}
	if _, err := cfg.databases(); err != nil {
		return err
	}
	k, err := open(c.Context(), cfg, logger(cfg))
	if err != nil {
		return err
	}
	defer k.close()
	return run(k, c.Context())
}

// withDatabase runs an operator's command, which needs the database and nothing
// else: on a bad day there may be nothing else. Without one that is named it is
// about this user's `carillon dev`, see joinDev.
func withDatabase(c *cobra.Command, run func(context.Context, config, *postgres.DB) error) error {
	cfg, err := loadConfig(os.Getenv)
	if err != nil {
		return err
	}
	leave, err := joinDev(c.Context(), &cfg, c.ErrOrStderr())
	if err != nil {
		return err
	}
	defer leave()
	if cfg.AppURL == "" || cfg.SystemURL == "" {
		if _, err := cfg.databases(); err != nil {
			return err
		}
	}
	db, err := connect(c.Context(), cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	return run(c.Context(), cfg, db)
}

// withKeys is withDatabase for a command that needs the master keys too.
func withKeys(c *cobra.Command, run func(context.Context, config, *postgres.DB) error) error {
	return withDatabase(c, func(ctx context.Context, cfg config, db *postgres.DB) error {
		if cfg.Ring == nil {
			return errNoMaster()
		}
		return run(ctx, cfg, db)
	})
}

// serve answers requests and streams until ctx is done, then lets those under
// way finish.
func (k *kernel) serve(ctx context.Context) error {
	if err := k.recognise(ctx); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", k.cfg.Addr)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return k.operate(ctx, k.working) })
	g.Go(func() error { return k.serveOn(ctx, ln, k.working) })
	return g.Wait()
}

// working means that what this server accepts is being published: some worker
// of the installation claims.
func (k *kernel) working(ctx context.Context) error { return k.db.Working(ctx, claimWithin) }

func (k *kernel) serveOn(ctx context.Context, ln net.Listener, ready func(context.Context) error) error {
	hub := stream.New(k.events, k.db.ListenEvents, k.log)
	k.watchStreams(hub)
	if err := errors.Join(k.readEdge(ctx), k.readHosts(ctx)); err != nil {
		return err
	}
	app, err := httpapi.New(k.httpConfig(ready), k.server(hub))
	if err != nil {
		return err
	}
	k.log.InfoContext(ctx, "listening", "addr", ln.Addr().String())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return ended(hub.Run(ctx)) })
	g.Go(func() error { k.follow(ctx); return nil })
	g.Go(func() error { k.followEdge(ctx); return nil })
	g.Go(func() error { k.followHosts(ctx); return nil })
	g.Go(func() error {
		err := app.Listener(ln)
		if ctx.Err() != nil { // it was told to stop, perhaps before it began
			return nil
		}
		return err
	})
	g.Go(func() error {
		<-ctx.Done()
		err := app.ShutdownWithTimeout(k.cfg.Grace)
		_ = ln.Close() // a shutdown before the first accept does not reach it
		return err
	})
	return g.Wait()
}

// ended forgives a loop for being told to stop.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (k *kernel) httpConfig(ready func(context.Context) error) httpapi.Config {
	return httpapi.Config{
		Log: k.log, Auth: k.people, Scopes: k.tenants, Authz: k.authz, Realm: k.admin, Edge: k.edge.Load, Hosts: k.hosts, Looks: k.brands, Keys: k.db.Idempotency(), Limits: k.limits,
		CursorKey: k.vault.Key(vault.Cursor), OtherCursorKeys: k.vault.Others(vault.Cursor),
		TicketKey: k.vault.Key(vault.EventTicket), OtherTicketKeys: k.vault.Others(vault.EventTicket),
		DownloadKey: k.vault.Key(vault.Download), OtherDownloadKeys: k.vault.Others(vault.Download),
		URL: k.cfg.URL, TrustedProxies: k.cfg.Proxies, InsecureCookies: k.cfg.AllowLoopback,
		Ready: ready, Observe: k.answered,
	}
}

func (k *kernel) server(hub *stream.Hub) *httpapi.Server {
	return &httpapi.Server{
		People: k.people, Federation: k.federation, Names: k.names, APIKeys: k.keys, Tenants: k.tenants, Members: k.tenants,
		Rights: k.authz, Invitations: k.tenants, Guests: identity.NewGuests(k.names, k.tenants), Ownership: k.tenants, Access: k.tenants, Domains: k.domains, Exports: k.exports, Erasures: k.erasures, Brands: k.brands,
		Channels: k.channels, Media: k.media, Posts: k.posts, Rehearsal: k.rehearsal,
		Events: k.events, Streams: streams{hub}, Webhooks: k.events, Audit: audit.New(k.db.Audit(), k.authz),
		Jobs: jobs.New(k.db.JobNames(), k.authz), Plugins: k.catalog, Admin: k.admin,
	}
}

// streams is a hub as the HTTP surface knows it.
type streams struct{ *stream.Hub }

// Subscribe implements httpapi.Streams.
func (s streams) Subscribe(ctx context.Context, who tenants.Scope, last events.Cursor, check func(context.Context) error) (httpapi.Stream, error) {
	sub, err := s.Hub.Subscribe(ctx, who, last, check)
	if err != nil {
		return nil, err
	}
	return frames{sub}, nil
}

// frames is a subscription as bytes.
type frames struct{ *stream.Subscription }

// Frame implements httpapi.Stream.
func (f frames) Frame(ctx context.Context) ([]byte, error) {
	m, err := f.Next(ctx)
	if err != nil {
		return nil, err
	}
	return m.Frame()
}
