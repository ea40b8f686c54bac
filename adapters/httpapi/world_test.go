package httpapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/blob"
	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/adapters/dns"
	"github.com/carillonhq/carillon/adapters/httpapi"
	"github.com/carillonhq/carillon/adapters/jwt"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/rules"
	"github.com/carillonhq/carillon/adapters/totp"
	"github.com/carillonhq/carillon/adapters/webauthn"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/core/catalog/catalogtest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/channels/channelstest"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/events/eventstest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/branding"
	"github.com/carillonhq/carillon/tenants/domains"
	"github.com/carillonhq/carillon/tenants/domains/domainstest"
	"github.com/carillonhq/carillon/tenants/erasure"
	"github.com/carillonhq/carillon/tenants/exports"
	"github.com/carillonhq/carillon/tenants/registry"
)

// A world is the whole surface on a real database; only what leaves the
// machine is made up.
type world struct {
	t      testing.TB
	db     *postgres.DB
	app    *fiber.App
	people *identity.Service

	federation *identity.Federation

	names    *identity.Directory
	keys     *identity.Keys
	events   *events.Service
	registry *registry.Service
	streams  *quiet
	admin    *admin.Service
	hosts    *domains.Hosts
	dns      *domainstest.DNS
	exports  *exports.Service
	erasures *erasure.Service
	brands   *branding.Service
}

func newWorld(t testing.TB, db *postgres.DB) *world {
	t.Helper()
	authz, err := casbin.New(db)
	must(t, err)
	blobs, err := blob.Open(t.Context(), "mem://")
	must(t, err)
	reg := registry.New(db.Registry(), authz, time.Now)
	tokens := jwt.New([]byte(strings.Repeat("j", 32)), time.Now)
	people := identity.New(db.Identity(), db.Keys(), plainHasher{}, tokens, noHomes{}, reg, proofs,
		identity.Config{RefreshKey: []byte(strings.Repeat("r", 32)), AddressKey: []byte(strings.Repeat("a", 32))}, time.Now)
	names := identity.NewDirectory(db.Identity(), plainHasher{}, time.Now)
	keys := identity.NewKeys(db.Keys(), authz, "2026-11-01", time.Now)
	chans := channels.New(channels.Deps{
		Store: db.Channels(), Plugins: practice{}, OAuth: noOAuth{}, Sealer: channelstest.Sealer{},
		Members: standing{reg}, Authz: authz, Now: time.Now, Access: catalog.Access{Store: db.Plugins()},
	}, channels.Config{CallbackURL: "https://example.com/oauth/callback", PseudonymKey: []byte(strings.Repeat("p", 32))})
	files := media.New(db.Media(), blobs, images{}, noLinks{}, authz, time.Now)
	ev := events.New(db.Events(), authz, eventstest.Sealer{}, anySender{}, time.Now)
	realm := admin.New(admin.Deps{
		Store: db.Admin(), Hasher: plainHasher{}, Codes: totp.New("Test"), Sealer: channelstest.Sealer{}, AddressKey: []byte(strings.Repeat("a", 32)), Now: time.Now,
	})
	w := &world{t: t, db: db, admin: realm, people: people, names: names, keys: keys, events: ev, registry: reg, streams: new(quiet)}
	w.federation = identity.NewFederation(people, there{}, identity.FederationConfig{
		Key: []byte(strings.Repeat("f", 32)), Callback: func(name string) string { return "https://example.com/sign-in/" + name },
	})
	w.hosts, w.dns = domains.NewHosts("example.com", false), new(domainstest.DNS)
	w.erasures = erasure.New(db.Erasures(), blobs, authz, time.Hour, time.Now)
	w.exports = exports.New(db.Exports(), blobs, authz, time.Now)
	w.brands = branding.New(branding.Deps{Store: db.Brands(), Images: logos{}, Blobs: blobs, Resolver: w.dns, Authz: authz, Product: branding.Product, Now: time.Now})
	w.app, err = httpapi.New(httpapi.Config{
		Hosts: w.hosts, Looks: w.brands,
		Log: slog.New(slog.DiscardHandler), Auth: people, Scopes: reg, Authz: authz, Realm: realm, Edge: w.edge, Keys: db.Idempotency(),
		CursorKey: []byte(strings.Repeat("c", 32)), TicketKey: []byte(strings.Repeat("t", 32)), DownloadKey: []byte(strings.Repeat("d", 32)),
		Limits: httpapi.NewLimits(nil).Times(1_000_000),
	}, &httpapi.Server{
		People: people, Federation: w.federation, Names: names, APIKeys: keys, Tenants: reg, Members: reg, Rights: authz, Invitations: reg,
		Guests: identity.NewGuests(names, reg), Ownership: reg, Access: reg,
		Exports: w.exports, Erasures: w.erasures,
		Domains:  domains.New(domains.Deps{Store: db.Domains(), Resolver: w.dns, Names: dns.Names{}, Authz: authz, Now: time.Now}, "app.example.org"),
		Brands:   w.brands,
		Channels: chans, Media: files,
		Posts:     publishing.New(db.Posts(), chans, files, rules.New(), authz),
		Rehearsal: publishing.New(publishing.Rehearsal(db.Posts()), chans, files, rules.New(), authz), Events: ev, Webhooks: ev, Audit: audit.New(db.Audit(), authz), Admin: realm, Streams: w.streams, Jobs: jobs.New(db.JobNames(), authz),
		Plugins: catalog.New(catalog.Deps{
			Store: db.Plugins(), Bundles: new(catalogtest.Bundles), Apps: new(catalogtest.Apps), Rules: rules.New(), Authz: authz,
			Builtins: []catalog.Builtin{{Manifest: manifest()}}, Runtime: func() map[string]catalog.Health { return nil }, AllowLocal: true, Now: time.Now,
		}),
	})
	must(t, err)
	return w
}

// edge reads what holds for everybody, for each request anew.
func (w *world) edge() *admin.Edge {
	e, err := w.db.Admin().Edge(w.t.Context())
	must(w.t, err)
	return &e
}

// operator makes an operator and signs them in.
func (w *world) operator() string {
	w.t.Helper()
	email := id.New("opr") + "@example.com"
	const password = "four unrelated words here"
	must(w.t, w.admin.Enlist(w.t.Context(), admin.Shell(), email, "Olga", password))
	code, err := w.admin.Code(w.t.Context(), admin.Shell(), email)
	must(w.t, err)
	in, err := w.admin.Login(w.t.Context(), identity.Client{}, email, password, code)
	must(w.t, err)
	return in.Token.Reveal()
}

// person registers somebody and signs them in.
func (w *world) person() (tenants.UserID, string) {
	w.t.Helper()
	email := id.New("usr") + "@example.com"
	const password = "four unrelated words here"
	w.register(email, password)
	in, err := w.people.Login(w.t.Context(), identity.Client{}, email, password)
	must(w.t, err)
	return in.User, in.Access.Reveal()
}

func (w *world) register(email string, password secret.Secret) {
	w.t.Helper()
	_, err := w.names.Add(w.t.Context(), identity.Registration{Email: email, Name: "Somebody", Password: password}, postgrestest.Operator)
	must(w.t, err)
}

// member registers somebody who is one of tenant.
func (w *world) member(tenant tenants.ID, role tenants.Role) (tenants.UserID, string) {
	w.t.Helper()
	user, token := w.person()
	postgrestest.Exec(w.t, w.db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, $3, 'system')", tenant, user, role)
	return user, token
}

// call sends one request. The request id is taken out of the answer.
func (w *world) call(method, path string, headers map[string]string, body string) (int, http.Header, string) {
	w.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range headers {
		if v != "" {
			req.Header.Set(k, v)
		}
		if k == "Host" {
			req.Host = v
		}
	}
	res, err := w.app.Test(req, 20_000)
	must(w.t, err)
	raw, err := io.ReadAll(res.Body)
	must(w.t, err)
	return res.StatusCode, res.Header, strings.ReplaceAll(string(raw), res.Header.Get("Carillon-Request-Id"), "req")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type plainHasher struct{}

func (plainHasher) Hash(_ context.Context, p secret.Secret) (string, error) { return p.Reveal(), nil }

func (plainHasher) HashSalted(_ context.Context, p secret.Secret, _ []byte) (string, error) {
	return p.Reveal(), nil
}

func (plainHasher) Verify(_ context.Context, p secret.Secret, hashes ...string) (bool, bool, error) {
	return slices.Contains(hashes, p.Reveal()), false, nil
}

// proofs are the real ones, and a seal that anybody can open.
var proofs = identity.Proofs{
	Codes: totp.New("Carillon"), Passkeys: webauthn.Ceremonies{}, Sealer: openSeal{},
	Party: func(_ context.Context, host string) (identity.Party, error) {
		return webauthn.PartyOf("Carillon", host, "https://"+host), nil
	},
}

type openSeal struct{}

func (openSeal) Seal(_ context.Context, _ string, plain []byte) ([]byte, error) { return plain, nil }

func (openSeal) Open(_ context.Context, _ string, sealed []byte) ([]byte, error) { return sealed, nil }

type noHomes struct{}

func (noHomes) Provision(context.Context, tenants.UserID, string) (tenants.ID, error) {
	return postgrestest.Operator, nil
}

type standing struct{ *registry.Service }

func (s standing) Scope(ctx context.Context, who tenants.Scope) (tenants.Scope, error) {
	return s.Resolve(ctx, who.User, who.Tenant)
}

// practice is one platform that takes anything.
type practice struct{}

func manifest() social.Manifest {
	return social.Manifest{
		ID: "test.platform", Name: "Test", Version: "1.0.0", Dedup: social.NoDedup,
		Auth:    social.Auth{Kind: social.AuthForm, Form: []byte(`{"type":"object"}`)},
		Formats: []social.Format{{ID: "post", Name: "Post", Text: social.TextRule{Max: 300, Count: social.Codepoints}}},
	}
}

func (practice) List(context.Context) []social.Manifest { return []social.Manifest{manifest()} }

func (practice) Platform(_ context.Context, name string) (social.Platform, error) {
	if name != "test.platform" {
		return nil, fault.New(fault.NotFound, "platform.not_found", "No.")
	}
	return platform{}, nil
}

type platform struct{}

func (platform) Manifest() social.Manifest { return manifest() }

func (platform) Connect(context.Context, social.ConnectRequest) (social.ConnectStep, error) {
	return social.ConnectStep{Done: &social.Credential{AccessToken: "token"}}, nil
}

func (platform) Accounts(context.Context, social.Call) ([]social.Account, error) {
	return []social.Account{{ID: id.New("x"), Name: "An account"}}, nil
}

func (platform) Publish(context.Context, social.PublishRequest) (social.Step, error) {
	return social.Step{}, social.Fail(social.Permanent, "test.never", "Never.")
}

type noOAuth struct{ channels.OAuth }

type images struct{}

func (images) Clean(_ context.Context, r io.Reader) (*media.Picture, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return &media.Picture{
		ReadCloser: io.NopCloser(strings.NewReader(string(raw))), MIME: "image/png", Bytes: int64(len(raw)),
		SHA256: strings.Repeat("0a", 32), Width: 1, Height: 1,
	}, nil
}

// logos are pictures of a point, of which every byte is content.
type logos struct{}

func (logos) Clean(_ context.Context, r io.Reader) (*branding.Copy, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	return &branding.Copy{
		ReadCloser: io.NopCloser(bytes.NewReader(raw)), MIME: "image/png", Bytes: int64(len(raw)), SHA256: hex.EncodeToString(sum[:]), Width: 16, Height: 16,
	}, nil
}

type noLinks struct{}

func (noLinks) URL(tenants.ID, media.ID, time.Duration) string { return "https://example.com/m" }

type anySender struct{}

func (anySender) Check(string) error { return nil }

func (anySender) Send(context.Context, events.Message) (events.Answer, error) {
	return events.Answer{Status: 200}, nil
}

// quiet is a stream that says one thing and ends.
type quiet struct {
	check func(context.Context) error // whether the last one opened may go on
}

func (q *quiet) Subscribe(_ context.Context, _ tenants.Scope, _ events.Cursor, check func(context.Context) error) (httpapi.Stream, error) {
	q.check = check
	return &oneFrame{}, nil
}

type oneFrame struct{ said bool }

func (o *oneFrame) Frame(context.Context) ([]byte, error) {
	if o.said {
		return nil, io.EOF
	}
	o.said = true
	return []byte("event: ready\ndata: {}\n\n"), nil
}

func (*oneFrame) Close() {}

func decode(t testing.TB, body string) (v map[string]any) {
	t.Helper()
	must(t, json.Unmarshal([]byte(body), &v))
	return v
}
