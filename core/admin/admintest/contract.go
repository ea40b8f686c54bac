package admintest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
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

func operatorsComeAndGo(t *testing.T, in Installation) {
	o := in.operator(t)
	o.Name, o.Password, o.Factor, o.EnrolledAt, o.Step, o.Link, o.LinkEnds = "Olga O.", "hash", []byte("sealed"), now(), 7, token(), now().Add(time.Hour)
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveOperator(ctx, o) })
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		byID, err := tx.Operator(ctx, o.ID)
		if err != nil {
			return err
		}
		byEmail, err := tx.OperatorByEmail(ctx, o.Email)
		if err != nil {
			return err
		}
		for _, got := range []*admin.Operator{byID, byEmail} {
			if got.Name != o.Name || got.Password != "hash" || string(got.Factor) != "sealed" || !got.EnrolledAt.Equal(o.EnrolledAt) || got.Step != 7 || got.Link != o.Link {
				t.Errorf("%+v\nwant %+v", got, o)
			}
		}
		all, err := tx.Operators(ctx)
		if !slices.IsSortedFunc(all, func(a, b admin.Operator) int { return cmp.Compare(a.ID, b.ID) }) || !slices.ContainsFunc(all, func(a admin.Operator) bool { return a.ID == o.ID }) {
			t.Errorf("%d operators, %v", len(all), err)
		}
		return tx.RemoveOperator(ctx, o.ID)
	})
	in.fails(t, "operator.not_found", func(ctx context.Context, tx admin.Tx) error { return tx.RemoveOperator(ctx, o.ID) })
	in.fails(t, "operator.not_found", func(ctx context.Context, tx admin.Tx) error {
		_, err := tx.Operator(ctx, o.ID)
		return err
	})
	in.fails(t, "operator.not_found", func(ctx context.Context, tx admin.Tx) error {
		_, err := tx.OperatorByEmail(ctx, o.Email)
		return err
	})
}

func linksLive(t *testing.T, in Installation) {
	o := in.operator(t)
	o.Link, o.LinkEnds = token(), now().Add(time.Hour)
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveOperator(ctx, o) })
	for name, tc := range map[string]struct {
		link  admin.Hash
		at    time.Time
		found bool
	}{
		"in time": {o.Link, now(), true}, "just before": {o.Link, o.LinkEnds.Add(-time.Millisecond), true},
		"at the end": {o.Link, o.LinkEnds, false}, "another": {token(), now(), false}, "none": {admin.Hash{}, now(), false},
	} {
		err := in.View(t.Context(), func(tx admin.Tx) error {
			_, err := tx.OperatorByLink(t.Context(), tc.link, tc.at)
			return err
		})
		if tc.found != (err == nil) || !tc.found && !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o.Link, o.LinkEnds = admin.Hash{}, time.Time{}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveOperator(ctx, o) })
	in.fails(t, "operator.not_found", func(ctx context.Context, tx admin.Tx) error {
		_, err := tx.OperatorByLink(ctx, admin.Hash{}, now())
		return err
	})
}

func sessionsEnd(t *testing.T, in Installation) {
	o := in.operator(t)
	one, two, three := in.session(t, o, now().Add(time.Hour)), in.session(t, o, now().Add(time.Hour)), in.session(t, o, now().Add(time.Hour))
	other := in.session(t, in.operator(t), now().Add(time.Hour))
	seen := now().Add(time.Minute)
	if err := in.Seen(t.Context(), one.ID, seen); err != nil {
		t.Fatal(err)
	}
	got, who, err := in.Session(t.Context(), one.Hash)
	if err != nil || got.ID != one.ID || got.Operator != o.ID || got.Agent != "test" || got.Address != one.Address || !got.SeenAt.Equal(seen) ||
		!got.CreatedAt.Equal(one.CreatedAt) || !got.ExpiresAt.Equal(one.ExpiresAt) || who.ID != o.ID || who.Email != o.Email {
		t.Errorf("%+v of %+v, %v", got, who, err)
	}
	there := func(s *admin.Session) bool {
		_, _, err := in.Session(t.Context(), s.Hash)
		if err != nil && !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
		return err == nil
	}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.EndSession(ctx, one.ID) })
	if there(one) || !there(two) {
		t.Error("not the one session ended")
	}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.EndSessions(ctx, o.ID) })
	if there(two) || there(three) || !there(other) {
		t.Error("not the sessions of one operator ended")
	}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.RemoveOperator(ctx, other.Operator) })
	if there(other) {
		t.Error("a session outlived its operator")
	}
}

func sessionsAreSwept(t *testing.T, in Installation) {
	o := in.operator(t)
	old := in.session(t, o, now().Add(-time.Second))
	in.session(t, o, now().Add(time.Hour))
	if _, _, err := in.Session(t.Context(), old.Hash); !fault.Is(err, fault.NotFound) {
		t.Errorf("what is over is still there: %v", err)
	}
}

func actingEnds(t *testing.T, in Installation) {
	o := in.operator(t)
	s := in.session(t, o, now().Add(time.Hour))
	user, tenant := in.Person(word()+"@example.com", "Ann"), in.Tenant("Shop")
	begin := func(s *admin.Session) *admin.Impersonation {
		i := &admin.Impersonation{
			ID: id.New("imp"), Operator: o.ID, Session: s.ID, Hash: token(), User: user, Tenant: tenant, Reason: "help", CreatedAt: now(), ExpiresAt: now().Add(time.Minute),
		}
		in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.AddImpersonation(ctx, i) })
		return i
	}
	lives := func(i *admin.Impersonation, at time.Time) bool {
		got, err := in.Impersonation(t.Context(), i.Hash, at)
		if err == nil && (got.ID != i.ID || got.Operator != o.ID || got.Session != i.Session || got.User != user || got.Tenant != tenant || got.Reason != "help") {
			t.Errorf("%+v, want %+v", got, i)
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
		return err == nil
	}
	i := begin(s)
	if !lives(i, now()) || lives(i, i.ExpiresAt) {
		t.Error("it does not live until it ends")
	}
	short := in.session(t, o, now().Add(time.Second))
	if brief := begin(short); !lives(brief, now()) || lives(brief, short.ExpiresAt) {
		t.Error("it outlives its session's time")
	}
	in.fails(t, "impersonation.not_found", func(ctx context.Context, tx admin.Tx) error {
		_, err := tx.EndImpersonation(ctx, admin.OperatorID(id.New("opr")), i.ID)
		return err
	})
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		was, err := tx.EndImpersonation(ctx, o.ID, i.ID)
		if err == nil && (was.User != user || was.Tenant != tenant || was.Reason != "help") {
			t.Errorf("ended %+v", was)
		}
		return err
	})
	if lives(i, now()) {
		t.Error("it goes on")
	}
	with := begin(s)
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.EndSession(ctx, s.ID) })
	if lives(with, now()) {
		t.Error("it outlives its session")
	}
}

func guardsRemember(t *testing.T, in Installation) {
	key, g := word(), admin.Guard{Count: 3, At: now(), Until: now().Add(time.Second)}
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		if fresh, err := tx.Guard(ctx, key); err != nil || fresh.Count != 0 {
			t.Errorf("%+v, %v", fresh, err)
		}
		return tx.SaveGuard(ctx, key, g)
	})
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		got, err := tx.Guard(ctx, key)
		if got.Count != 3 || !got.At.Equal(g.At) || !got.Until.Equal(g.Until) {
			t.Errorf("%+v, want %+v", got, g)
		}
		return err
	})
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

func peopleAreFound(t *testing.T, in Installation) {
	tag := word()
	var all []tenants.UserID
	for _, name := range []string{"Ann ", "Ben ", "Cleo "} {
		all = append(all, in.Person(name[:1]+tag+"@example.com", name+tag))
	}
	slices.Sort(all)
	find := func(q admin.Search) (out []tenants.UserID) {
		in.do(t, func(ctx context.Context, tx admin.Tx) error {
			found, err := tx.Users(ctx, q)
			for _, u := range found {
				out = append(out, u.ID)
			}
			return err
		})
		return out
	}
	for name, tc := range map[string]struct {
		q    admin.Search
		want int
	}{
		"by a part of a name":  {admin.Search{Text: tag, Limit: 9}, 3},
		"as many as asked for": {admin.Search{Text: tag, Limit: 2}, 2},
		"after one":            {admin.Search{Text: tag, After: string(all[0]), Limit: 9}, 2},
		"by id":                {admin.Search{Text: string(all[1]), Limit: 9}, 1},
		"by what nobody has":   {admin.Search{Text: "%" + tag, Limit: 9}, 0},
	} {
		if got := find(tc.q); len(got) != tc.want || !slices.IsSorted(got) {
			t.Errorf("%s: %v", name, got)
		}
	}
	agency, shop := in.Tenant("Z "+tag), in.Tenant("A "+tag)
	in.Seat(all[0], agency, tenants.Admin)
	in.Seat(all[0], shop, tenants.Viewer)
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		seats, err := tx.Seats(ctx, all[0])
		if len(seats) != 2 || seats[0].Tenant != shop || seats[0].Role != tenants.Viewer || seats[1].Name != "Z "+tag || seats[1].Role != tenants.Admin {
			t.Errorf("seats %+v", seats)
		}
		return err
	})
}

func peopleAreSuspended(t *testing.T, in Installation) {
	user, tenant := in.Person(word()+"@example.com", "Ann"), in.Tenant("Shop")
	in.Seat(user, tenant, tenants.Editor)
	role := func() (r tenants.Role) {
		in.do(t, func(ctx context.Context, tx admin.Tx) (err error) {
			r, err = tx.RoleOf(ctx, user, tenant)
			return err
		})
		return r
	}
	set := func(at time.Time, reason string) {
		in.do(t, func(ctx context.Context, tx admin.Tx) error {
			u, err := tx.User(ctx, user)
			if err != nil {
				return err
			}
			u.SuspendedAt, u.Reason = at, reason
			return tx.SuspendUser(ctx, u)
		})
	}
	if role() != tenants.Editor {
		t.Errorf("role %q", role())
	}
	at := now()
	set(at, "spam")
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		u, err := tx.User(ctx, user)
		if err == nil && (!u.SuspendedAt.Equal(at) || u.Reason != "spam" || u.Name != "Ann") {
			t.Errorf("%+v", u)
		}
		return err
	})
	if role() != "" {
		t.Errorf("who is suspended is %q", role())
	}
	set(time.Time{}, "")
	if role() != tenants.Editor {
		t.Errorf("after it %q", role())
	}
	nobody := tenants.UserID(id.New("usr"))
	in.fails(t, "user.not_found", func(ctx context.Context, tx admin.Tx) error {
		_, err := tx.User(ctx, nobody)
		return err
	})
	in.fails(t, "user.not_found", func(ctx context.Context, tx admin.Tx) error { return tx.SuspendUser(ctx, &admin.User{ID: nobody}) })
}

func tenantsAreFound(t *testing.T, in Installation) {
	tag := word()
	one, two := in.Tenant("One "+tag), in.Tenant("Two "+tag)
	for name, tc := range map[string]struct {
		q    admin.Search
		want []tenants.ID
	}{
		"by a part of a name":  {admin.Search{Text: tag, Limit: 9}, []tenants.ID{min(one, two), max(one, two)}},
		"as many as asked for": {admin.Search{Text: tag, Limit: 1}, []tenants.ID{min(one, two)}},
		"after one":            {admin.Search{Text: tag, After: string(min(one, two)), Limit: 9}, []tenants.ID{max(one, two)}},
		"by id":                {admin.Search{Text: string(two), Limit: 9}, []tenants.ID{two}},
		"of another kind":      {admin.Search{Text: tag, Kind: tenants.Reseller, Limit: 9}, nil},
		"the root":             {admin.Search{Kind: tenants.Operator, Limit: 9}, []tenants.ID{in.Root}},
	} {
		var got []tenants.ID
		in.do(t, func(ctx context.Context, tx admin.Tx) error {
			found, err := tx.Tenants(ctx, tc.q)
			for _, n := range found {
				got = append(got, n.ID)
			}
			return err
		})
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	if root, err := in.Store.Root(t.Context()); err != nil || root != in.Root {
		t.Errorf("root %s, %v", root, err)
	}
}

func (in Installation) tenant(t *testing.T, name tenants.ID) (out *admin.Tenant) {
	t.Helper()
	in.do(t, func(ctx context.Context, tx admin.Tx) (err error) {
		out, err = tx.Tenant(ctx, name)
		return err
	})
	return out
}

func tenantsAreSuspended(t *testing.T, in Installation) {
	name := in.Tenant("Shop")
	n := in.tenant(t, name)
	n.Suspended, n.Reason = true, "unpaid"
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SuspendTenant(ctx, n) })
	if got := in.tenant(t, name); !got.Suspended || got.Reason != "unpaid" || got.Name != "Shop" {
		t.Errorf("%+v", got)
	}
	n.Suspended, n.Reason = false, ""
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SuspendTenant(ctx, n) })
	if got := in.tenant(t, name); got.Suspended || got.Reason != "" {
		t.Errorf("%+v", got)
	}
	in.fails(t, "tenant.not_found", func(ctx context.Context, tx admin.Tx) error {
		return tx.SuspendTenant(ctx, &admin.Tenant{ID: tenants.NewID()})
	})
	in.fails(t, "tenant.not_found", func(ctx context.Context, tx admin.Tx) error {
		_, err := tx.Tenant(ctx, tenants.NewID())
		return err
	})
}

func plansAreGranted(t *testing.T, in Installation) {
	name := in.Tenant("Shop")
	n := in.tenant(t, name)
	g := &admin.Grant{Tenant: name, Tier: tenants.Pro, Was: tenants.Creator, Reason: "a trial", By: "opr_x", At: now(), Until: now().Add(-time.Second)}
	n.Tier, n.Grant = tenants.Pro, g
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveTier(ctx, n) })
	got := in.tenant(t, name)
	if got.Tier != tenants.Pro || got.Grant == nil || *got.Grant != *g {
		t.Errorf("%+v, grant %+v, want %+v", got, got.Grant, g)
	}
	due := func(at time.Time) (is bool) {
		in.do(t, func(ctx context.Context, tx admin.Tx) error {
			all, err := tx.DueGrants(ctx, at)
			is = slices.Contains(all, name)
			return err
		})
		return is
	}
	if !due(now()) || due(g.Until.Add(-time.Second)) {
		t.Error("it is not due from when it ends")
	}
	n.Tier, n.Grant = "", nil
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveTier(ctx, n) })
	if got := in.tenant(t, name); got.Tier != "" || got.Grant != nil || due(now()) {
		t.Errorf("%+v, grant %+v", got, got.Grant)
	}
	in.fails(t, "tenant.not_found", func(ctx context.Context, tx admin.Tx) error {
		return tx.SaveTier(ctx, &admin.Tenant{ID: tenants.NewID()})
	})
}

func rangesAreBlockedOnce(t *testing.T, in Installation) {
	raw := [16]byte([]byte(word()[:16]))
	raw[0], raw[1] = 0x20, 0x01
	b := &admin.Block{ID: id.New("blk"), Range: netip.PrefixFrom(netip.AddrFrom16(raw), 128), Reason: "spam", By: "opr_x", CreatedAt: now(), ExpiresAt: now().Add(time.Hour)}
	blocked := func(name string) *admin.Block {
		e, err := in.Edge(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(e.Blocks, func(b admin.Block) bool { return b.ID == name }); i >= 0 {
			return &e.Blocks[i]
		}
		return nil
	}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.AddBlock(ctx, b) })
	if got := blocked(b.ID); got == nil || got.Range != b.Range || got.Reason != "spam" || got.By != "opr_x" || !got.ExpiresAt.Equal(b.ExpiresAt) {
		t.Errorf("%+v", got)
	}
	again := *b
	again.ID = id.New("blk")
	in.fails(t, "block.exists", func(ctx context.Context, tx admin.Tx) error { return tx.AddBlock(ctx, &again) })
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.DropBlock(ctx, b.ID) })
	in.fails(t, "block.not_found", func(ctx context.Context, tx admin.Tx) error { return tx.DropBlock(ctx, b.ID) })

	again.ExpiresAt = now().Add(-time.Second)
	again.CreatedAt = again.ExpiresAt.Add(-time.Hour)
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.AddBlock(ctx, &again) })
	if blocked(again.ID) != nil {
		t.Error("a block that is over still holds")
	}
	b.ID, b.ExpiresAt = id.New("blk"), time.Time{}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.AddBlock(ctx, b) })
	if got := blocked(b.ID); got == nil || !got.ExpiresAt.IsZero() {
		t.Errorf("%+v", got)
	}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.DropBlock(ctx, b.ID) })
}

func flagsAndOverrides(t *testing.T, in Installation) {
	tenant, f := in.Tenant("Shop"), &admin.Flag{Name: "f" + word(), Description: "a test", On: true, By: "opr_x", At: now()}
	on, off := true, false
	override := func(flag string, on *bool) func(context.Context, admin.Tx) error {
		return func(ctx context.Context, tx admin.Tx) error {
			return tx.SaveOverride(ctx, tenant, flag, on, "opr_x", now())
		}
	}
	state := func() (got *admin.Flag, on, said bool) {
		e, err := in.Edge(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(e.Flags, func(g admin.Flag) bool { return g.Name == f.Name }); i >= 0 {
			got = &e.Flags[i]
		}
		on, said = e.Overrides[tenant][f.Name]
		return got, on, said
	}
	in.fails(t, "flag.not_found", override(f.Name, &on))
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveFlag(ctx, f) })
	if got, _, said := state(); got == nil || !got.On || got.Description != "a test" || got.By != "opr_x" || got.Overrides != 0 || said {
		t.Errorf("%+v, %v", got, said)
	}
	in.do(t, override(f.Name, &on))
	in.do(t, override(f.Name, &off))
	f.On = false
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveFlag(ctx, f) })
	if got, is, said := state(); got == nil || got.On || got.Overrides != 1 || !said || is {
		t.Errorf("%+v, %v %v", got, is, said)
	}
	in.do(t, override(f.Name, nil))
	in.fails(t, "override.not_found", override(f.Name, nil))
	in.do(t, override(f.Name, &on))
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.DropFlag(ctx, f.Name) })
	if got, _, said := state(); got != nil || said {
		t.Errorf("%+v, %v", got, said)
	}
	in.fails(t, "flag.not_found", func(ctx context.Context, tx admin.Tx) error { return tx.DropFlag(ctx, f.Name) })
}

func maintenanceIsOne(t *testing.T, in Installation) {
	if !in.Quiet {
		return // it would be everybody's
	}
	m := admin.Maintenance{On: true, Message: "Back soon.", RetryAfter: 90 * time.Second, StopPublish: true, Holds: true, By: "opr_x", At: now()}
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		if was, err := tx.Maintenance(ctx); err != nil || was.On {
			t.Errorf("%+v, %v", was, err)
		}
		for i, want := range []bool{true, false} {
			if going, err := tx.Hold(ctx, "moving"); err != nil || going != want {
				t.Errorf("hold %d: %v, %v", i, going, err)
			}
		}
		return errors.Join(tx.SaveMaintenance(ctx, admin.Maintenance{On: true, At: now()}), tx.SaveMaintenance(ctx, m))
	})
	e, err := in.Edge(t.Context())
	if e.Maintenance.At = e.Maintenance.At.UTC(); err != nil || e.Maintenance != m {
		t.Errorf("%+v, %v, want %+v", e.Maintenance, err, m)
	}
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		if err := tx.Release(ctx); err != nil {
			return err
		}
		going, err := tx.Hold(ctx, "moving")
		if !going {
			t.Error("it was not released")
		}
		return errors.Join(err, tx.Release(ctx), tx.SaveMaintenance(ctx, admin.Maintenance{At: now()}))
	})
}
