package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/carillonhq/carillon/adapters/argon"
	"github.com/carillonhq/carillon/adapters/blob"
	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/gateway"
	"github.com/carillonhq/carillon/adapters/httpapi"
	"github.com/carillonhq/carillon/adapters/imaging"
	"github.com/carillonhq/carillon/adapters/jwt"
	"github.com/carillonhq/carillon/adapters/mailbox"
	"github.com/carillonhq/carillon/adapters/metrics"
	"github.com/carillonhq/carillon/adapters/oauth"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/rules"
	"github.com/carillonhq/carillon/adapters/tracing"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/adapters/webhooks"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/mail"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/branding"
	"github.com/carillonhq/carillon/tenants/domains"
	"github.com/carillonhq/carillon/tenants/registry"
)

// kernel is everything there is in one process, built once. Read open top to
// bottom to know who uses what.
type kernel struct {
	cfg     config
	log     *slog.Logger
	metrics *metrics.Metrics
	db      *postgres.DB
	vault   *vault.Ring
	authz   *casbin.Authorizer
	egress  *egress.Egress
	proxy   *egress.Proxy
	plugins *pluginhost.Host
	runs    string // the program of plugins, for people
	blobs   *blob.Store
	links   *gateway.Signer
	files   net.Listener // the gateway's
	limits  *httpapi.Limits
	rules   *rules.Rules
	mail    mail.Sender
	mailbox *mailbox.Box

	tenants *registry.Service
	people  *identity.Service

	federation *identity.Federation

	names     *identity.Directory
	keys      *identity.Keys
	domains   *domains.Service
	ends                     // exports and erasures
	hosts     *domains.Hosts // see followHosts
	brands    *branding.Service
	channels  *channels.Service
	catalog   *catalog.Service
	bundles   *bundles
	deployer  *catalog.Deployer
	media     *media.Service
	posts     *publishing.Service
	rehearsal *publishing.Service // posts that keeps nothing
	events    *events.Service
	admin     *admin.Service
	edge      atomic.Pointer[admin.Edge] // see followEdge

	following atomic.Bool // the catalog; see follow
	hosting   atomic.Bool // the hosts; see followHosts

	fresh   bool // seed had something to do
	closers []func()
}

// apiVersion is the date that new API keys and webhooks are pinned to.
const apiVersion = events.APIVersion

func open(ctx context.Context, cfg config, log *slog.Logger) (*kernel, error) {
	k := &kernel{cfg: cfg, log: log, vault: cfg.Ring}
	for _, build := range []func(context.Context) error{k.openSight, k.openDatabase, k.openOutside, k.openPlugins, k.openMedia, k.openServices, k.watch} {
		if err := build(ctx); err != nil {
			k.close()
			return nil, err
		}
	}
	return k, nil
}

// close gives everything back, last opened first.
func (k *kernel) close() {
	for i := len(k.closers) - 1; i >= 0; i-- {
		k.closers[i]()
	}
}

func (k *kernel) onClose(fn func()) { k.closers = append(k.closers, fn) }

func (k *kernel) openDatabase(ctx context.Context) (err error) {
	if k.db, err = connect(ctx, k.cfg); err != nil {
		return err
	}
	k.onClose(k.db.Close)
	k.authz, err = casbin.New(k.db)
	return err
}

func connect(ctx context.Context, cfg config) (*postgres.DB, error) {
	c := postgres.Config{App: cfg.AppURL, System: cfg.SystemURL, OtherApp: cfg.otherPasswords("app"), OtherSystem: cfg.otherPasswords("system")}
	if cfg.TraceURL != "" {
		c.Tracer = tracing.Statements()
	}
	db, err := postgres.Open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("database: %w (is it migrated? run: carillon migrate)", err)
	}
	return db, nil
}

// recognise looks whether this database was served from before. It writes, and
// so belongs to those who are about to serve, not to those who only look.
func (k *kernel) recognise(ctx context.Context) error {
	restored, err := k.db.CheckIdentity(ctx)
	if restored {
		k.log.WarnContext(ctx, "this database is a restored copy: publishing is paused until an operator resumes it")
	}
	return err
}

// proxyConns is how many connections a plugin may have at once: more than the
// calls that it may have in flight, since some stay open in between.
const proxyConns = 512

// openOutside is the ways out: to addresses that users choose, to the mail, to
// Redis.
func (k *kernel) openOutside(context.Context) (err error) {
	o := egress.Options{}
	if k.cfg.AllowLoopback {
		o.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
		o.AllowHTTP = true
	}
	k.egress = egress.New(o)
	if k.proxy, err = egress.ListenProxy(k.egress, egress.Limits{
		Conns: proxyConns, Attributed: k.cfg.Attributed, Observe: k.wentOut,
		Refused: func(plugin, host string) {
			k.log.Warn("a plugin asked for a host that its manifest does not list", "plugin", plugin, "host", host)
		},
	}); err != nil {
		return fmt.Errorf("egress proxy: %w", err)
	}
	k.onClose(func() { _ = k.proxy.Close() })
	if k.cfg.RedisURL == "" {
		k.limits = httpapi.NewLimits(nil)
	} else {
		ro, err := httpapi.RedisOptions(k.cfg.RedisURL)
		if err != nil {
			return fmt.Errorf("REDIS_URL: %w", err)
		}
		client := redis.NewClient(ro)
		k.onClose(func() { _ = client.Close() })
		k.limits = httpapi.NewLimits(client)
	}
	k.limits.Times(int64(k.cfg.LimitsTimes))
	return k.openMail()
}

func (k *kernel) openMedia(ctx context.Context) (err error) {
	if k.blobs, err = k.cfg.openBlobs(ctx); err != nil {
		return err
	}
	k.onClose(func() { _ = k.blobs.Close() })
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	images := imaging.New([]string{binary, "media-worker"}, imaging.DefaultLimits())
	k.openBrands(images)
	k.media = media.New(k.db.Media(), k.blobs, images, k.links, k.authz, time.Now)
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	k.onClose(stop)
	go func() { _ = serveLocal(serving, k.files, gateway.New(k.links, k.media)) }()
	return nil
}

func (k *kernel) openServices(ctx context.Context) error {
	envelope := vault.NewEnvelope(k.db.DataKeys(), k.cfg.keeper(), time.Now)
	pseudonyms, err := envelope.Kept(ctx, vault.Pseudonym, k.vault.Key(vault.Pseudonym))
	if err != nil {
		return err
	}
	k.openDomains()
	k.openEnds()
	k.tenants = registry.New(k.db.Registry(), k.authz, time.Now)
	hasher := argon.New(argon.Current())
	k.names = identity.NewDirectory(k.db.Identity(), hasher, time.Now)
	k.people = identity.New(k.db.Identity(), k.db.Keys(), hasher, jwt.New(k.vault.Key(vault.Session), time.Now, k.vault.Others(vault.Session)...),
		homes{k.tenants}, k.tenants, k.proofs(envelope),
		identity.Config{
			RefreshKey: k.vault.Key(vault.Refresh), OtherRefreshKeys: k.vault.Others(vault.Refresh),
			AddressKey: k.vault.Key(vault.Address), Closed: k.cfg.Closed,
		}, time.Now)
	k.openProviders()
	k.keys = identity.NewKeys(k.db.Keys(), k.authz, apiVersion, time.Now)
	k.channels = channels.New(channels.Deps{
		Store: k.db.Channels(), Plugins: pluginsOf{k.plugins}, OAuth: oauth.New(k.egress.Client(20*time.Second, 1<<20), time.Now),
		Sealer: envelope, Members: k.tenants, Authz: k.authz, Now: time.Now, Access: catalog.Access{Store: k.db.Plugins()},
	}, channels.Config{
		CallbackURL: k.cfg.URL + "/oauth/callback", AppName: "Carillon", Website: k.cfg.URL,
		PseudonymKey: pseudonyms, AllowLocal: k.cfg.AllowLoopback,
	})
	k.admin = newAdmin(k.db, envelope, hasher, k.vault)
	k.rules = rules.New()
	if err := k.openCatalog(); err != nil {
		return err
	}
	k.posts = publishing.New(k.db.Posts(), k.channels, k.media, k.rules, k.authz)
	k.rehearsal = publishing.New(publishing.Rehearsal(k.db.Posts()), k.channels, k.media, k.rules, k.authz)
	k.events = events.New(k.db.Events(), k.authz, envelope, webhooks.New(k.egress, version), time.Now)
	return nil
}

func (k *kernel) openCatalog() error {
	own, err := builtins(k.cfg)
	if err != nil {
		return err
	}
	k.bundles = &bundles{state: k.cfg.StateDir, blobs: k.blobs, root: k.db.Registry().Operator}
	k.deployer = catalog.NewDeployer(k.db.Plugins(), machine{k.plugins, k.bundles, specs(k.cfg)}, own)
	k.catalog = catalog.New(catalog.Deps{
		Store: k.db.Plugins(), Bundles: k.bundles, Apps: apps{k.channels}, Rules: k.rules, Authz: k.authz, Builtins: own,
		Runtime:    func() map[string]catalog.Health { return health(k.plugins, k.deployer.Failing()) },
		AllowLocal: k.cfg.LocalPlugins, Now: time.Now,
	})
	return nil
}

// pluginsOf narrows a host to what channels asks of it.
type pluginsOf struct{ *pluginhost.Host }

// Platform implements channels.Plugins.
func (p pluginsOf) Platform(ctx context.Context, id string) (social.Platform, error) {
	return p.Host.Platform(ctx, id)
}

// homes gives a person who confirmed their address an agency of their own with
// a first workspace.
type homes struct{ tenants *registry.Service }

// Provision implements identity.Provisioner.
func (h homes) Provision(ctx context.Context, user tenants.UserID, name string) (tenants.ID, error) {
	mine, err := h.tenants.Mine(ctx, user)
	if err != nil {
		return "", err
	}
	for _, place := range mine { // it was done before a crash
		if place.Kind == tenants.Agency && place.Role == tenants.Owner {
			return place.ID, nil
		}
	}
	agency, err := h.tenants.Found(ctx, user, name)
	if err != nil {
		return "", err
	}
	return agency.ID, nil
}
