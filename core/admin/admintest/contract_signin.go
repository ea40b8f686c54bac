package admintest

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
)

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
