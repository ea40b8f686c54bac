package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/admin/admintest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

const (
	olga                 = "olga@example.com"
	good   secret.Secret = "mist orchard velvet quarry"
	better secret.Secret = "lantern gravel tuesday umbrella"
)

// world is the realm with everything around it in memory.
type world struct {
	*admin.Service
	t     *testing.T
	store admintest.Store
	root  tenants.ID
	clock time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.root = w.store.AddTenant(tenants.Operator, "Operator")
	w.Service = admin.New(admin.Deps{
		Store: &w.store, Hasher: plain{}, Codes: apps{}, Sealer: rows{}, AddressKey: []byte("address"), Now: func() time.Time { return w.clock },
	})
	return w
}

func (w *world) pass(d time.Duration) { w.clock = w.clock.Add(d) }

// enlist makes an operator with a password.
func (w *world) enlist(email string) {
	w.t.Helper()
	must(w.t, w.Enlist(w.t.Context(), admin.Shell(), email, "", good))
}

func (w *world) code(email string) string {
	w.t.Helper()
	code, err := w.Code(w.t.Context(), admin.Shell(), email)
	must(w.t, err)
	return code
}

func (w *world) login(email string, password secret.Secret, code string) (*admin.SignedIn, error) {
	return w.Login(w.t.Context(), identity.Client{Address: netip.MustParseAddr("192.0.2.1"), Agent: "test"}, email, password, code)
}

// operator signs somebody in.
func (w *world) operator(email string) (admin.Who, string) {
	w.t.Helper()
	w.enlist(email)
	return w.enter(email)
}

func (w *world) enter(email string) (admin.Who, string) {
	w.t.Helper()
	in, err := w.login(email, good, w.code(email))
	must(w.t, err)
	who, err := w.Authenticate(w.t.Context(), in.Token.Reveal())
	must(w.t, err)
	return who, in.Token.Reveal()
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

// plain compares passwords as they are.
type plain struct{}

func (plain) Hash(_ context.Context, p secret.Secret) (string, error) { return "#" + p.Reveal(), nil }

func (plain) HashSalted(_ context.Context, p secret.Secret, _ []byte) (string, error) {
	return "#" + p.Reveal(), nil
}

func (plain) Verify(_ context.Context, p secret.Secret, hashes ...string) (bool, bool, error) {
	for _, h := range hashes {
		if h == "#"+p.Reveal() {
			return true, false, nil
		}
	}
	return false, false, nil
}

// apps makes codes that say which secret and step they are of.
type apps struct{}

var made byte

func (apps) Secret() []byte {
	made++
	return bytes.Repeat([]byte{made}, 4)
}

func (apps) Enrol(account string, secret []byte) (typed, uri string, picture []byte, err error) {
	return fmt.Sprintf("%x", secret), "otpauth://totp/" + account, []byte("png"), nil
}

func step(at time.Time) int64 { return at.Unix() / 30 }

func (apps) Code(secret []byte, now time.Time) string {
	return fmt.Sprintf("%x.%d", secret, step(now))
}

func (a apps) Step(secret []byte, code string, now time.Time) (int64, bool) {
	for _, at := range []time.Time{now.Add(-30 * time.Second), now, now.Add(30 * time.Second)} {
		if a.Code(secret, at) == code {
			return step(at), true
		}
	}
	return 1 << 40, false // a step that nobody used
}

// rows seals for one row of one tenant.
type rows struct{}

func (rows) Seal(_ context.Context, tenant tenants.ID, row string, plain []byte) ([]byte, error) {
	return append([]byte(string(tenant)+"|"+row+"|"), plain...), nil
}

func (rows) Open(_ context.Context, tenant tenants.ID, row string, sealed []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, []byte(string(tenant)+"|"+row+"|"))
	if !ok {
		return nil, errors.New("sealed for another row")
	}
	return plain, nil
}

// Whoever has not signed in as an operator may nothing, whatever it is: every
// use case that asks who is there is called by nobody, and by halves.
func TestNobodyMayAnything(t *testing.T) {
	w := newWorld(t)
	w.enlist(olga)
	service, asked := reflect.ValueOf(w.Service), 0
	for i := range service.NumMethod() {
		m := service.Type().Method(i)
		if m.Type.NumIn() < 3 || m.Type.In(2) != reflect.TypeFor[admin.Who]() {
			continue
		}
		asked++
		for name, who := range map[string]admin.Who{
			"nobody": {}, "without a session": {ID: "opr_1", Email: olga}, "without an account": {Session: "ops_1", Email: olga},
		} {
			in := []reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(who)}
			for k := 3; k < m.Type.NumIn(); k++ {
				in = append(in, reflect.Zero(m.Type.In(k)))
			}
			out := service.Method(i).Call(in)
			err, _ := out[len(out)-1].Interface().(error)
			want(t, m.Name+" "+name, err, fault.Unauthenticated, "operator.required")
		}
	}
	if asked < 25 {
		t.Errorf("only %d use cases say who is asking", asked)
	}
}
