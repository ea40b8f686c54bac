package jobs_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/adapters/argon"
	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/adapters/jwt"
	"github.com/carillonhq/carillon/adapters/mailbox"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/letters"
	"github.com/carillonhq/carillon/tenants/registry"
)

const (
	first  secret.Secret = "mist orchard velvet quarry"
	second secret.Secret = "lantern gravel tuesday umbrella"
)

// proofs are for people without a second factor.
var proofs = identity.Proofs{Party: func(context.Context, string) (identity.Party, error) { return identity.Party{}, nil }}

var laptop = identity.Client{Address: netip.MustParseAddr("192.0.2.1"), Agent: "laptop"}

// From nobody to a person with an agency, a new password and a program's key:
// through the database, the queue and the post, with nothing faked.
func TestIdentityFromEndToEnd(t *testing.T) {
	h := newHouse(t)
	ctx, email := t.Context(), id.New("ann")+"@example.test"

	must(t, h.people.Register(ctx, laptop, identity.Registration{Email: email, Name: "Ann", Password: first}))
	verify := h.token(t, email, "verify")
	must(t, h.people.Verify(ctx, laptop, verify, first))
	in := h.login(t, email, first)
	who := h.who(t, in.Access)
	me, err := h.people.Me(ctx, who)
	must(t, err)
	scope, err := h.registry.Resolve(ctx, me.ID, me.Home)
	if err != nil || scope.Role != tenants.Owner || scope.Kind != tenants.Agency {
		t.Fatalf("home: %+v, %v", scope, err)
	}
	next := h.refreshAtOnce(t, in)

	must(t, h.people.ForgotPassword(ctx, laptop, email))
	reset := h.token(t, email, "reset")
	must(t, h.people.ResetPassword(ctx, laptop, reset, second))
	if _, err := h.people.Authenticate(ctx, next.Access.Reveal()); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a session from before the reset: err = %v", err)
	}
	in = h.login(t, email, second)
	key := h.key(t, me)
	disown := h.token(t, email, "device")
	must(t, h.people.DisownSession(ctx, laptop, disown))
	must(t, h.people.Logout(ctx, h.who(t, in.Access)))

	rows := h.rows(t)
	for name, s := range map[string]secret.Secret{
		"verify": verify, "reset": reset, "refresh": in.Refresh, "next": next.Refresh, "access": in.Access, "key": key, "disown": disown, "device": in.Device, "first": first, "second": second,
	} {
		plain := s.Reveal()
		if strings.Contains(rows, plain) || strings.Contains(rows, plain[len(plain)-24:]) {
			t.Errorf("%s is kept in plain text", name)
		}
	}
	if !strings.Contains(rows, string(me.ID)) || !strings.Contains(rows, "identity.mail") {
		t.Error("the rows do not show what they hold")
	}
}

// refreshAtOnce refreshes from several tabs of one client, then as a thief.
func (h *house) refreshAtOnce(t *testing.T, in *identity.SignedIn) *identity.SignedIn {
	t.Helper()
	var wg sync.WaitGroup
	got := make([]*identity.SignedIn, 6)
	errs := make([]error, len(got))
	for i := range got {
		wg.Go(func() { got[i], errs[i] = h.people.Refresh(t.Context(), laptop, in.Refresh) })
	}
	wg.Wait()
	for i := range got {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if got[i].Refresh != got[0].Refresh {
			t.Error("the chain forked")
		}
	}
	other := h.login(t, h.email(t, in), first)
	thief := identity.Client{Address: netip.MustParseAddr("198.51.100.9")}
	if _, err := h.people.Refresh(t.Context(), laptop, other.Refresh); err != nil {
		t.Fatal(err)
	}
	if _, err := h.people.Refresh(t.Context(), thief, other.Refresh); fault.Of(err).Reason != "session.reused" {
		t.Errorf("a thief: err = %v", err)
	}
	if _, err := h.people.Authenticate(t.Context(), other.Access.Reveal()); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the session the thief was in: err = %v", err)
	}
	return got[0]
}

// key makes a key in a tenant whose plan has keys, and sees it come and go.
func (h *house) key(t *testing.T, me *identity.User) secret.Secret {
	t.Helper()
	ctx := t.Context()
	tenant := postgrestest.Tenant(t, h.db)
	postgrestest.Exec(t, h.db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, 'admin', 'system')", tenant, me.ID)
	who, err := h.registry.Resolve(ctx, me.ID, tenant)
	must(t, err)
	key, err := h.keys.Create(ctx, who, identity.NewKey{Name: "CI", Scopes: []tenants.Action{"post.read"}})
	must(t, err)
	p, err := h.people.Authenticate(ctx, key.Secret.Reveal())
	if err != nil || p.Scope == nil || p.Scope.Tenant != tenant || p.Scope.Role != tenants.Admin || p.Scope.Key != string(key.ID) {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := h.keys.Create(ctx, who, identity.NewKey{Name: "CI", Scopes: []tenants.Action{"tenant.suspend"}}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a scope that its maker lacks: err = %v", err)
	}
	postgrestest.Exec(t, h.db, "delete from memberships where tenant_id = $1", tenant)
	if _, err := h.people.Authenticate(ctx, key.Secret.Reveal()); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("its maker left: err = %v", err)
	}
	return key.Secret
}

// house is identity as it is put together for real.
type house struct {
	db       *postgres.DB
	people   *identity.Service
	keys     *identity.Keys
	registry *registry.Service
	box      *mailbox.Box
	done     <-chan *river.Event
}

func atTest(context.Context, identity.Letter) (letters.Head, error) {
	return letters.Head{Home: "https://app.test"}, nil
}

func newHouse(t *testing.T) *house {
	t.Helper()
	db, v := postgrestest.Open(t), vault.New(bytes.Repeat([]byte{3}, vault.KeySize))
	authz, err := casbin.New(db)
	must(t, err)
	box, err := mailbox.Open(t.TempDir(), time.Now)
	must(t, err)
	h := &house{db: db, box: box, registry: registry.New(db.Registry(), authz, time.Now)}
	hasher := argon.New(argon.Params{Memory: 64, Time: 1, Threads: 1})
	h.people = identity.New(db.Identity(), db.Keys(), hasher,
		jwt.New(v.Key(vault.Session), time.Now), h, h.registry, proofs,
		identity.Config{RefreshKey: v.Key(vault.Refresh), AddressKey: v.Key(vault.Address)}, time.Now)
	h.keys = identity.NewKeys(db.Keys(), authz, "2026-11-01", time.Now)

	workers := river.NewWorkers()
	jobs.RegisterIdentity(workers, identity.NewPostman(db.Identity(), box, atTest, time.Now),
		identity.NewDirectory(db.Identity(), hasher, time.Now))
	client, err := db.Jobs(&river.Config{Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}}})
	must(t, err)
	done, cancel := client.Subscribe(river.EventKindJobCompleted)
	h.done = done
	must(t, client.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() {
		if err := client.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
	})
	return h
}

// Provision gives a person one agency, however often it is asked.
func (h *house) Provision(ctx context.Context, user tenants.UserID, name string) (tenants.ID, error) {
	mine, err := h.registry.Mine(ctx, user)
	if err != nil {
		return "", err
	}
	if len(mine) > 0 {
		return mine[0].ID, nil
	}
	agency, err := h.registry.Found(ctx, user, name)
	if err != nil {
		return "", err
	}
	return agency.ID, nil
}

// token waits for a letter to be delivered and returns the token in it.
func (h *house) token(t *testing.T, to, kind string) secret.Secret {
	t.Helper()
	for {
		list, err := h.box.List()
		must(t, err)
		for _, e := range list {
			if _, token, ok := strings.Cut(e.Text, "#token="); ok && e.To == to && e.Kind == kind {
				return secret.Secret(strings.Fields(token)[0])
			}
		}
		select {
		case <-h.done:
		case <-time.After(30 * time.Second):
			t.Fatalf("no letter of kind %s to %s", kind, to)
		}
	}
}

func (h *house) login(t *testing.T, email string, password secret.Secret) *identity.SignedIn {
	t.Helper()
	in, err := h.people.Login(t.Context(), laptop, email, password)
	must(t, err)
	return in.SignedIn
}

func (h *house) who(t *testing.T, access secret.Secret) identity.Principal {
	t.Helper()
	who, err := h.people.Authenticate(t.Context(), access.Reveal())
	must(t, err)
	return who
}

func (h *house) email(t *testing.T, in *identity.SignedIn) string {
	t.Helper()
	me, err := h.people.Me(t.Context(), h.who(t, in.Access))
	must(t, err)
	return me.Email
}

// rows is every row that identity and the queue keep, as text.
func (h *house) rows(t *testing.T) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), postgrestest.Of(t, h.db).Admin)
	must(t, err)
	defer func() { _ = c.Close(context.Background()) }()
	var all strings.Builder
	for _, table := range []string{
		"users", "registrations", "sessions", "refresh_tokens", "one_time_tokens", "guards", "api_keys", "river.river_job",
	} {
		var text string
		must(t, c.QueryRow(t.Context(), fmt.Sprintf("select coalesce(string_agg(r::text, E'\\n'), '') from %s r", table)).Scan(&text))
		all.WriteString(text)
	}
	return all.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
