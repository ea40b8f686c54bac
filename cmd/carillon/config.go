package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	kmskeep "github.com/carillonhq/carillon/adapters/kms"
	"github.com/carillonhq/carillon/adapters/oidc"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/kms"
	"github.com/carillonhq/carillon/tenants/erasure"
)

// config is everything that differs between two installations. Each field
// names its environment variable.
type config struct {
	Addr          string       // CARILLON_ADDR
	URL           string       // CARILLON_URL, where people reach the server
	DatabaseURL   string       // DATABASE_URL, the owner's login; migrate needs it
	AppURL        string       // DATABASE_APP_URL; derived from DATABASE_URL if not set
	SystemURL     string       // DATABASE_SYSTEM_URL; derived likewise
	RedisURL      string       // REDIS_URL; without it rate limits count per process
	Ring          *vault.Ring  // CARILLON_MASTER_KEY or the file CARILLON_MASTER_KEY_FILE, with CARILLON_MASTER_KEYS_OLD; nil: not set
	keepers       []kms.Keeper // besides Ring, the current one first, see keyring.go
	transit       *kmskeep.Transit
	LimitsTimes   int            // CARILLON_LIMITS_TIMES, a factor of every rate limit; 1 if not set
	BlobURL       string         // CARILLON_BLOB_URL
	StateDir      string         // CARILLON_STATE_DIR, for what a process keeps on disk
	MailURL       string         // CARILLON_MAIL_URL, such as smtps://user:password@host
	MailFrom      string         // CARILLON_MAIL_FROM
	LogLevel      string         // CARILLON_LOG_LEVEL: debug, info, warn, error
	TraceURL      string         // CARILLON_TRACE_URL, an OTLP endpoint over HTTP; none if not set
	MetricsAddr   string         // CARILLON_METRICS_ADDR, metrics and health for the operator; none if not set
	Slots         int            // CARILLON_SLOTS, deliveries at work per process
	GatewayAddr   string         // CARILLON_GATEWAY_ADDR, loopback, where plugins fetch media
	Grace         time.Duration  // CARILLON_GRACE, to finish what was begun
	ErasureWait   time.Duration  // CARILLON_ERASURE_WAIT, between the wish to end a tenant and its end
	PluginUnused  time.Duration  // CARILLON_PLUGIN_UNUSED, after which a plugin's process is ended
	Proxies       []netip.Prefix // CARILLON_TRUSTED_PROXIES
	PigeonURL     string         // CARILLON_PIGEON_URL: enables the practice network
	PigeonSettle  string         // CARILLON_PIGEON_SETTLE
	PigeonNative  string         // CARILLON_PIGEON_NATIVE_KEY
	BlueskyView   string         // CARILLON_BLUESKY_APPVIEW, if not Bluesky's own
	OpenAIURL     string         // CARILLON_OPENAI_URL, if not the vendor's own API
	AllowLoopback bool           // CARILLON_ALLOW_LOOPBACK: instances and webhooks on this machine
	Mailbox       string         // CARILLON_MAILBOX, a folder that mail goes to instead
	Providers     []oidc.Config  // CARILLON_OIDC_…: accounts elsewhere that sign people in, see providers.go
	ProviderNets  []netip.Prefix // CARILLON_OIDC_NETWORKS, own networks that have such a provider
	Closed        bool           // CARILLON_REGISTRATION=closed: nobody registers by themselves
	LocalPlugins  bool           // CARILLON_PLUGINS_LOCAL=allow: plugins that nobody signed
	Sandbox       sandbox.Mode   // CARILLON_SANDBOX: required, with names of parts or without, best (if not set) or off
	Attributed    bool           // CARILLON_EGRESS_CALLS: required, or best (if not set)
	SandboxRead   []string       // CARILLON_SANDBOX_READ, folders that plugins may read, with colons between
}

// loadConfig reads the environment and reports every mistake at once, by name.
func loadConfig(getenv func(string) string) (config, error) {
	e := env{get: getenv}
	c := config{
		Addr:          e.text("CARILLON_ADDR", "127.0.0.1:8788"),
		DatabaseURL:   e.text("DATABASE_URL", ""),
		AppURL:        e.text("DATABASE_APP_URL", ""),
		SystemURL:     e.text("DATABASE_SYSTEM_URL", ""),
		RedisURL:      e.text("REDIS_URL", ""),
		LimitsTimes:   e.number("CARILLON_LIMITS_TIMES", 1),
		StateDir:      e.text("CARILLON_STATE_DIR", os.TempDir()),
		MailURL:       e.text("CARILLON_MAIL_URL", ""),
		MailFrom:      e.text("CARILLON_MAIL_FROM", "Carillon <carillon@localhost>"),
		Mailbox:       e.text("CARILLON_MAILBOX", ""),
		LogLevel:      e.word("CARILLON_LOG_LEVEL", "debug", "info", "warn", "error"),
		TraceURL:      e.text("CARILLON_TRACE_URL", ""),
		MetricsAddr:   e.text("CARILLON_METRICS_ADDR", ""),
		Slots:         e.number("CARILLON_SLOTS", 64),
		GatewayAddr:   e.text("CARILLON_GATEWAY_ADDR", "127.0.0.1:0"),
		Grace:         e.duration("CARILLON_GRACE", "20s"),
		ErasureWait:   e.duration("CARILLON_ERASURE_WAIT", erasure.Cooling.String()),
		PluginUnused:  e.duration("CARILLON_PLUGIN_UNUSED", "10m"),
		Proxies:       e.prefixes("CARILLON_TRUSTED_PROXIES"),
		PigeonURL:     e.text("CARILLON_PIGEON_URL", ""),
		PigeonSettle:  e.text("CARILLON_PIGEON_SETTLE", ""),
		PigeonNative:  e.text("CARILLON_PIGEON_NATIVE_KEY", ""),
		BlueskyView:   e.text("CARILLON_BLUESKY_APPVIEW", ""),
		OpenAIURL:     e.text("CARILLON_OPENAI_URL", ""),
		AllowLoopback: e.flag("CARILLON_ALLOW_LOOPBACK"),
	}
	e.keys(&c)
	c.Providers, c.ProviderNets = e.providers(os.Environ(), c.AllowLoopback), e.prefixes("CARILLON_OIDC_NETWORKS")
	c.Closed = e.word("CARILLON_REGISTRATION", "open", "closed") == "closed"
	c.Sandbox, c.SandboxRead = e.sandbox("CARILLON_SANDBOX"), e.folders("CARILLON_SANDBOX_READ")
	c.Attributed = e.word("CARILLON_EGRESS_CALLS", "best", "required") == "required"
	c.LocalPlugins = e.word("CARILLON_PLUGINS_LOCAL", "allow", "refuse") == "allow"
	c.URL = strings.TrimRight(e.text("CARILLON_URL", "http://"+c.Addr), "/")
	c.BlobURL = e.text("CARILLON_BLOB_URL", blobsIn(getenv("CARILLON_STATE_DIR")))
	return c, errors.Join(e.errs...)
}

func errNoMaster() error {
	return errors.New("CARILLON_MASTER_KEY is not set: it is the key that this installation was made with; only a new installation gets a new one, with: openssl rand -base64 32")
}

// password is that of a serving login, made from a key.
func password(key []byte, role string) string {
	sum := sha256.Sum256(append(key[:len(key):len(key)], role...))
	return hex.EncodeToString(sum[:16])
}

// otherPasswords are those that a login had, or will have, by the other keys of
// the ring: while it is changed, processes differ.
func (c *config) otherPasswords(role string) (out []string) {
	if c.Ring == nil {
		return nil
	}
	for _, key := range c.Ring.Others(vault.Database) {
		out = append(out, password(key, role))
	}
	return out
}

// databases fills in the two serving logins from the owner's, whose server
// also knows them. Their passwords are made from the master key.
func (c *config) databases() (postgres.MigrateOptions, error) {
	if c.Ring == nil {
		return postgres.MigrateOptions{}, errNoMaster()
	}
	key := c.Ring.Key(vault.Database)
	o := postgres.MigrateOptions{AppPassword: password(key, "app"), SystemPassword: password(key, "system")}
	if c.AppURL != "" && c.SystemURL != "" {
		return o, nil
	}
	if c.DatabaseURL == "" {
		return o, errors.New("DATABASE_URL is not set; `carillon dev` runs a database of its own")
	}
	var err error
	c.AppURL, c.SystemURL, err = postgres.RoleURLs(c.DatabaseURL, o)
	if err != nil || !strings.HasPrefix(c.DatabaseURL, "postgres://") && !strings.HasPrefix(c.DatabaseURL, "postgresql://") {
		return o, errors.New("DATABASE_URL is no address like postgres://user:password@host/database") // and is not repeated: it has a password
	}
	return o, nil
}

// env reads variables and remembers what was wrong with them.
type env struct {
	get  func(string) string
	errs []error
}

func (e *env) text(name, def string) string {
	if v := e.get(name); v != "" {
		return v
	}
	return def
}

// word is one of allowed, or empty.
func (e *env) word(name string, allowed ...string) string {
	v := e.get(name)
	if v != "" && !slices.Contains(allowed, v) {
		e.errs = append(e.errs, fmt.Errorf("%s: %q is none of %s", name, v, strings.Join(allowed, ", ")))
	}
	return v
}

func (e *env) flag(name string) bool { return e.get(name) == "1" }

func (e *env) number(name string, def int) int {
	v := e.get(name)
	if v == "" {
		return def
	}
	var n int
	if _, err := fmt.Sscanf(v, "%d", &n); err != nil || n <= 0 {
		e.errs = append(e.errs, fmt.Errorf("%s: %q is not a positive number", name, v))
	}
	return n
}

func (e *env) duration(name, def string) time.Duration {
	d, err := time.ParseDuration(e.text(name, def))
	if err != nil {
		e.errs = append(e.errs, fmt.Errorf("%s: %w", name, err))
	}
	return d
}

// secret is the variable, or what is in the file that name_FILE names.
func (e *env) secret(name string) string {
	text := e.get(name)
	if path := e.get(name + "_FILE"); text == "" && path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			e.errs = append(e.errs, fmt.Errorf("%s_FILE: %w", name, err))
		}
		text = string(b)
	}
	return strings.TrimSpace(text)
}

func (e *env) sandbox(name string) sandbox.Mode {
	m, err := sandbox.ParseMode(e.get(name))
	if err != nil {
		e.errs = append(e.errs, fmt.Errorf("%s: %w", name, err))
	}
	return m
}

func (e *env) folders(name string) []string {
	all := filepath.SplitList(e.get(name))
	for _, dir := range all {
		if !filepath.IsAbs(dir) {
			e.errs = append(e.errs, fmt.Errorf("%s: %q is not absolute", name, dir))
		}
	}
	return all
}

func (e *env) prefixes(name string) (out []netip.Prefix) {
	for _, text := range strings.Fields(strings.ReplaceAll(e.get(name), ",", " ")) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			e.errs = append(e.errs, fmt.Errorf("%s: %w", name, err))
		}
		out = append(out, p)
	}
	return out
}
