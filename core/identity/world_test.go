package identity_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/identity/identitytest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/mail"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/letters"
)

const (
	good  secret.Secret = "mist orchard velvet quarry"
	other secret.Secret = "lantern gravel tuesday umbrella"
)

var (
	laptop = identity.Client{Address: netip.MustParseAddr("192.0.2.1"), Agent: "laptop"}
	thief  = identity.Client{Address: netip.MustParseAddr("198.51.100.9"), Agent: "laptop"}
)

// world is identity with everything around it in memory.
type world struct {
	*identity.Service
	people  *identity.Directory
	keys    *identity.Keys
	post    *identity.Postman
	store   identitytest.Store
	keyring identitytest.Keys
	clock   time.Time
	hasher  hasher
	mail    []mail.Message
	read    int // letters delivered
	homes   map[tenants.UserID]tenants.ID
	homeErr error
	members map[tenants.UserID]tenants.Scope
	denied  map[tenants.Action]bool
	safe    safe
}

func newWorld() *world { return newWorldWith(nil) }

func newWorldWith(change func(*identity.Config)) *world {
	w := &world{
		clock: identitytest.Noon, homes: map[tenants.UserID]tenants.ID{}, members: map[tenants.UserID]tenants.Scope{}, denied: map[tenants.Action]bool{},
	}
	cfg := identity.Config{RefreshKey: []byte("refresh"), AddressKey: []byte("address")}
	if change != nil {
		change(&cfg)
	}
	w.open(&w.store, cfg)
	return w
}

// open makes the use cases over a store.
func (w *world) open(store identity.Store, cfg identity.Config) {
	now := func() time.Time { return w.clock }
	proofs := identity.Proofs{Codes: apps{}, Passkeys: touches{}, Sealer: &w.safe, Party: party}
	w.Service = identity.New(store, &w.keyring, &w.hasher, &signer{now: now}, w, w, proofs, cfg, now)
	w.people = identity.NewDirectory(&w.store, &w.hasher, now)
	w.keys = identity.NewKeys(&w.keyring, w, "2026-11-01", now)
	w.post = identity.NewPostman(&w.store, w, func(context.Context, identity.Letter) (letters.Head, error) {
		return letters.Head{Home: "https://app.test"}, nil
	}, now)
}

func (w *world) pass(d time.Duration) { w.clock = w.clock.Add(d) }

// Provision gives everyone one home, however often it is asked.
func (w *world) Provision(_ context.Context, user tenants.UserID, _ string) (tenants.ID, error) {
	if w.homeErr != nil {
		return "", w.homeErr
	}
	if w.homes[user] == "" {
		w.homes[user] = tenants.NewID()
	}
	return w.homes[user], nil
}

func (w *world) Resolve(_ context.Context, user tenants.UserID, tenant tenants.ID) (tenants.Scope, error) {
	if tenant == w.homes[user] {
		return tenants.Scope{Tenant: tenant, User: user, Role: tenants.Owner}, nil
	}
	who, ok := w.members[user]
	if !ok || who.Tenant != tenant {
		return tenants.Scope{}, fault.New(fault.NotFound, "tenant.not_found", "None.")
	}
	return who, nil
}

func (w *world) Allow(_ context.Context, who tenants.Scope, act tenants.Action) error {
	if w.denied[act] || who.Granted != nil && !contains(who.Granted, act) {
		return fault.New(fault.Forbidden, "forbidden", "No.")
	}
	return nil
}

func contains(list []tenants.Action, act tenants.Action) bool {
	for _, a := range list {
		if a == act {
			return true
		}
	}
	return false
}

func (w *world) Send(_ context.Context, m mail.Message) error {
	w.mail = append(w.mail, m)
	return nil
}

// deliver empties the post and returns what arrived.
func (w *world) deliver(t *testing.T) []mail.Message {
	t.Helper()
	before := len(w.mail)
	for _, l := range w.store.Letters()[w.read:] {
		w.read++
		if err := w.post.Deliver(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	return w.mail[before:]
}

// token returns the token in the latest mail.
func (w *world) token(t *testing.T) secret.Secret {
	t.Helper()
	w.deliver(t)
	if len(w.mail) == 0 {
		t.Fatal("no mail")
	}
	_, token, ok := strings.Cut(w.mail[len(w.mail)-1].Text, "#token=")
	if !ok {
		t.Fatalf("no link in %q", w.mail[len(w.mail)-1].Text)
	}
	return secret.Secret(strings.Fields(token)[0])
}

// person registers, verifies and signs in.
func (w *world) person(t *testing.T, email string) *identity.SignedIn {
	t.Helper()
	ctx := t.Context()
	must(t, w.Register(ctx, laptop, identity.Registration{Email: email, Name: "Ann", Password: good}))
	must(t, w.Verify(ctx, laptop, w.token(t), good))
	return w.login(t, email, good)
}

func (w *world) login(t *testing.T, email string, password secret.Secret) *identity.SignedIn {
	t.Helper()
	in, err := w.Login(t.Context(), laptop, email, password)
	must(t, err)
	if in.SignedIn == nil {
		t.Fatalf("asked for %v", in.Asked.Methods)
	}
	return in.SignedIn
}

func (w *world) who(t *testing.T, in *identity.SignedIn) identity.Principal {
	t.Helper()
	who, err := w.Authenticate(t.Context(), in.Access.Reveal())
	must(t, err)
	return who
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want checks for a fault by code and reason.
func want(t *testing.T, what string, err error, code fault.Code, reason string) {
	t.Helper()
	if f := fault.Of(err); f == nil || f.Code != code || f.Reason != reason {
		t.Errorf("%s: err = %v, want %s %s", what, err, code, reason)
	}
}

// hasher is quick, counts and can be busy.
type hasher struct {
	mu       sync.Mutex
	hashes   int
	compares int
	stale    bool
	err      error
}

func digest(p secret.Secret) string {
	sum := sha256.Sum256([]byte(p.Reveal()))
	return hex.EncodeToString(sum[:])
}

func (h *hasher) Hash(_ context.Context, p secret.Secret) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hashes++
	return digest(p), h.err
}

func (h *hasher) HashSalted(ctx context.Context, p secret.Secret, salt []byte) (string, error) {
	made, err := h.Hash(ctx, p)
	return hex.EncodeToString(salt) + "$" + made, err
}

// Verify counts what argon would compute: one for each salt.
func (h *hasher) Verify(_ context.Context, p secret.Secret, hashes ...string) (bool, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	match, salts := false, map[string]bool{}
	for _, hash := range hashes {
		salt, made, salted := strings.Cut(hash, "$")
		if !salted {
			salt, made = "", hash
		}
		salts[salt] = true
		match = match || made == digest(p)
	}
	h.compares += max(len(salts), 1)
	return match, h.stale, h.err
}

// signer keeps access tokens by heart.
type signer struct {
	now    func() time.Time
	mu     sync.Mutex
	tokens []identity.Claims
}

func (s *signer) Sign(c identity.Claims) (secret.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, c)
	return secret.Secret(fmt.Sprintf("access.%d", len(s.tokens)-1)), nil
}

func (s *signer) Read(token string) (identity.Claims, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var i int
	if _, err := fmt.Sscanf(token, "access.%d", &i); err != nil || i >= len(s.tokens) || !s.now().Before(s.tokens[i].Expires) {
		return identity.Claims{}, fault.New(fault.Unauthenticated, "token.invalid", "No.")
	}
	return s.tokens[i], nil
}
