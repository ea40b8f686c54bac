package admintest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// An Installation is a store with what its operators look after. Others may use
// it meanwhile.
type Installation struct {
	admin.Store
	Root   tenants.ID
	Tenant func(name string) tenants.ID
	Person func(email, name string) tenants.UserID
	Seat   func(user tenants.UserID, tenant tenants.ID, role tenants.Role)
	// Book is what is recorded of a tenant about a subject, oldest first; of
	// none, in the operator's book.
	Book func(tenant tenants.ID, subject string) []audit.Entry
	// Quiet is of one's own: maintenance is for all.
	Quiet bool
}

// Run is the contract of an admin.Store.
func Run(t *testing.T, in Installation) {
	for name, test := range map[string]func(*testing.T, Installation){
		"operators come and go":                       operatorsComeAndGo,
		"a link is found while it lives":              linksLive,
		"sessions end with their operator":            sessionsEnd,
		"what is over is swept away":                  sessionsAreSwept,
		"one acts as somebody until it ends":          actingEnds,
		"a guard remembers":                           guardsRemember,
		"an update that fails leaves no trace":        failuresLeaveNothing,
		"entries are in the book of whom they are of": booksAreApart,
		"people are found":                            peopleAreFound,
		"people are suspended":                        peopleAreSuspended,
		"tenants are found":                           tenantsAreFound,
		"tenants are suspended":                       tenantsAreSuspended,
		"plans are granted":                           plansAreGranted,
		"a range is blocked once":                     rangesAreBlockedOnce,
		"flags and overrides":                         flagsAndOverrides,
		"maintenance is one":                          maintenanceIsOne,
	} {
		t.Run(name, func(t *testing.T) { test(t, in) })
	}
}

func (in Installation) do(t *testing.T, fn func(context.Context, admin.Tx) error) {
	t.Helper()
	if err := in.Update(t.Context(), func(tx admin.Tx) error { return fn(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

func (in Installation) fails(t *testing.T, reason string, fn func(context.Context, admin.Tx) error) {
	t.Helper()
	err := in.Update(t.Context(), func(tx admin.Tx) error { return fn(t.Context(), tx) })
	if f := fault.Of(err); f == nil || f.Reason != reason {
		t.Errorf("err = %v, want %s", err, reason)
	}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// word is one that nothing else has, also at its end.
func word() string { return strings.ToLower(rand.Text()) }

func token() (h admin.Hash) {
	copy(h[:], word()+word())
	return h
}

func (in Installation) operator(t *testing.T) *admin.Operator {
	t.Helper()
	o := &admin.Operator{ID: admin.OperatorID(id.New("opr")), Email: word() + "@example.com", Name: "Olga", CreatedAt: now()}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveOperator(ctx, o) })
	return o
}

func (in Installation) session(t *testing.T, o *admin.Operator, until time.Time) *admin.Session {
	t.Helper()
	s := &admin.Session{
		ID: admin.SessionID(id.New("ops")), Operator: o.ID, Hash: token(), Agent: "test", Address: "192.0.2.1", CreatedAt: now(), SeenAt: now(), ExpiresAt: until,
	}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.AddSession(ctx, s) })
	return s
}

var errNo = errors.New("no")

func failuresLeaveNothing(t *testing.T, in Installation) {
	o, name := in.operator(t), word()
	err := in.Update(t.Context(), func(tx admin.Tx) error {
		ctx := t.Context()
		o.Name = "Somebody else"
		return errors.Join(tx.SaveOperator(ctx, o), tx.SaveFlag(ctx, &admin.Flag{Name: "f" + name, At: now()}), tx.Record(ctx, audit.Of("system", "test", name)), errNo)
	})
	if !errors.Is(err, errNo) {
		t.Errorf("err = %v", err)
	}
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		got, err := tx.Operator(ctx, o.ID)
		if err == nil && got.Name != "Olga" {
			t.Errorf("the name is %q", got.Name)
		}
		return err
	})
	e, err := in.Edge(t.Context())
	if err != nil || slices.ContainsFunc(e.Flags, func(f admin.Flag) bool { return f.Name == "f"+name }) || len(in.Book("", name)) != 0 {
		t.Errorf("something stayed: %v", err)
	}
}

func booksAreApart(t *testing.T, in Installation) {
	ours, theirs, name := in.Tenant("Ours"), in.Tenant("Theirs"), word()
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		return errors.Join(tx.Record(ctx, audit.Of("system", "test.realm", name)), tx.RecordIn(ctx, ours, audit.Of("system", "test.ours", name)))
	})
	for tenant, want := range map[tenants.ID]string{"": "test.realm", ours: "test.ours", theirs: ""} {
		got := in.Book(tenant, name)
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || got[0].Action != want) {
			t.Errorf("in the book of %q: %+v", tenant, got)
		}
	}
	in.fails(t, "audit.malformed", func(ctx context.Context, tx admin.Tx) error { return tx.Record(ctx, audit.Entry{}) })
	in.fails(t, "audit.malformed", func(ctx context.Context, tx admin.Tx) error { return tx.RecordIn(ctx, ours, audit.Entry{}) })
}
