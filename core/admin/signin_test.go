package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

// There is no way in without a code, and a code works once.
func TestACodeIsNeededAndWorksOnce(t *testing.T) {
	w := newWorld(t)
	w.enlist(olga)
	enrol, err := w.login(olga, good, "")
	must(t, err)
	if enrol.Token != "" || enrol.Enrol == nil || enrol.Enrol.Secret == "" || !strings.HasPrefix(enrol.Enrol.Picture, "data:image/png;base64,") {
		t.Fatalf("%+v", enrol)
	}
	again, err := w.login(olga, good, "")
	must(t, err)
	if again.Enrol.Secret != enrol.Enrol.Secret {
		t.Error("a second look makes another secret")
	}
	_, err = w.login(olga, good, "000000")
	want(t, "a wrong code", err, fault.Unauthenticated, "operator.bad_code")

	first := w.code(olga)
	in, err := w.login(olga, good, first)
	must(t, err)
	if in.Enrol != nil || !strings.HasPrefix(in.Token.Reveal(), admin.SessionPrefix) || !in.Expires.Equal(w.clock.Add(admin.SessionTTL)) {
		t.Errorf("%+v", in)
	}
	_, err = w.login(olga, good, first)
	want(t, "the same code", err, fault.Unauthenticated, "operator.bad_code")
	_, err = w.login(olga, good, "")
	want(t, "no code", err, fault.Unauthenticated, "operator.code_required")

	w.pass(30 * time.Second)
	next := w.code(olga)
	_, err = w.login(olga, good, next)
	must(t, err)
	_, err = w.login(olga, good, first)
	want(t, "the code before it", err, fault.Unauthenticated, "operator.bad_code")
	w.enlist("other@example.com")
	_, err = w.login("other@example.com", good, next)
	want(t, "somebody else's code", err, fault.Unauthenticated, "operator.bad_code")
}

// Whoever tries learns neither who is an operator nor which part was wrong.
func TestStrangersLearnNothing(t *testing.T) {
	w := newWorld(t)
	w.enlist(olga)
	_, _, err := w.AddOperator(t.Context(), admin.Shell(), "new@example.com", "New")
	must(t, err)
	for name, tc := range map[string]struct {
		email    string
		password secret.Secret
	}{
		"a wrong password": {olga, better}, "no password": {olga, ""}, "nobody": {"nobody@example.com", good}, "no address": {"nonsense", good},
		"who has not chosen one yet": {"new@example.com", ""},
	} {
		_, err := w.login(tc.email, tc.password, "x")
		want(t, name, err, fault.Unauthenticated, "login.failed")
	}
}

// Five tries are free, then the wait doubles to a quarter of an hour; at every
// address alike.
func TestTriesAreCounted(t *testing.T) {
	w := newWorld(t)
	w.enlist(olga)
	for _, email := range []string{olga, "nobody@example.com"} {
		t.Run(email, func(t *testing.T) {
			for range 5 {
				_, err := w.login(email, better, "")
				want(t, "free", err, fault.Unauthenticated, "login.failed")
			}
			for wait := time.Second; wait < 40*time.Minute; wait *= 2 {
				due := min(wait, 15*time.Minute)
				_, err := w.login(email, good, "x")
				want(t, "too soon", err, fault.RateLimited, "auth.slow_down")
				if f := fault.Of(err); f.RetryAfter != due {
					t.Errorf("wait %s, want %s", f.RetryAfter, due)
				}
				w.pass(due)
				_, err = w.login(email, better, "x")
				want(t, "in time", err, fault.Unauthenticated, "login.failed")
			}
			w.pass(24*time.Hour + time.Second)
			for range 4 {
				_, err := w.login(email, better, "x")
				want(t, "a day later", err, fault.Unauthenticated, "login.failed")
			}
		})
	}
	_, _ = w.enter(olga) // the fifth, and right: the count begins anew
	for range 4 {
		_, err := w.login(olga, better, "x")
		want(t, "after it", err, fault.Unauthenticated, "login.failed")
	}
}

func TestSessionsEndByThemselves(t *testing.T) {
	w := newWorld(t)
	_, token := w.operator(olga)
	alive := func() bool {
		_, err := w.Authenticate(t.Context(), token)
		if err != nil {
			want(t, "a session", err, fault.Unauthenticated, "operator.required")
		}
		return err == nil
	}
	began := w.clock
	for w.clock.Sub(began) < admin.SessionTTL-admin.IdleTTL {
		w.pass(admin.IdleTTL)
		if !alive() {
			t.Fatalf("out after %s", w.clock.Sub(began))
		}
	}
	w.clock = began.Add(admin.SessionTTL - time.Second)
	if !alive() {
		t.Error("out before the end")
	}
	w.pass(time.Second)
	if alive() {
		t.Error("it outlives its time")
	}

	_, token = w.enter(olga)
	w.pass(59 * time.Second)
	if !alive() { // not noted
		t.Error("out at once")
	}
	w.pass(admin.IdleTTL - 59*time.Second + time.Second)
	if alive() {
		t.Error("it outlives being left alone")
	}
	for _, bad := range []string{"", "nonsense", admin.SessionPrefix + strings.Repeat("A", 43), strings.Replace(token, admin.SessionPrefix, admin.ImpersonationPrefix, 1), token + "A"} {
		_, err := w.Authenticate(t.Context(), bad)
		want(t, bad, err, fault.Unauthenticated, "operator.required")
	}
}

func TestSigningOut(t *testing.T) {
	w := newWorld(t)
	who, token := w.operator(olga)
	_, other := w.operator("other@example.com")
	me, err := w.Me(t.Context(), who)
	if err != nil || me.Email != olga || me.Name != "olga" {
		t.Errorf("%+v, %v", me, err)
	}
	must(t, w.Logout(t.Context(), who))
	_, err = w.Authenticate(t.Context(), token)
	want(t, "after it", err, fault.Unauthenticated, "operator.required")
	if _, err := w.Authenticate(t.Context(), other); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}

func TestLinksToChooseAPassword(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, first, err := w.AddOperator(ctx, admin.Shell(), olga, "Olga")
	must(t, err)
	o, link, err := w.AddOperator(ctx, admin.Shell(), olga, "Another name")
	must(t, err)
	if o.Name != "Olga" {
		t.Errorf("a new link renames her %q", o.Name)
	}
	for name, bad := range map[string]secret.Secret{
		"the one before": first, "none": "", "a session": secret.Secret(strings.Replace(link.Reveal(), "col_", admin.SessionPrefix, 1)), "longer": link + "A",
	} {
		want(t, name, w.ChoosePassword(ctx, bad, good), fault.Invalid, "link.invalid")
	}
	want(t, "a short one", w.ChoosePassword(ctx, link, "short"), fault.Invalid, "password.too_short")
	w.pass(admin.LinkTTL)
	want(t, "too late", w.ChoosePassword(ctx, link, good), fault.Invalid, "link.invalid")

	_, link, err = w.AddOperator(ctx, admin.Shell(), olga, "")
	must(t, err)
	w.pass(admin.LinkTTL - time.Second)
	must(t, w.ChoosePassword(ctx, link, good))
	want(t, "twice", w.ChoosePassword(ctx, link, better), fault.Invalid, "link.invalid")
	_, token := w.enter(olga)

	_, link, err = w.AddOperator(ctx, admin.Shell(), olga, "")
	must(t, err)
	if _, err := w.Authenticate(ctx, token); err != nil {
		t.Errorf("a link that nobody followed signs her out: %v", err)
	}
	must(t, w.ChoosePassword(ctx, link, better))
	_, err = w.Authenticate(ctx, token)
	want(t, "a session from before", err, fault.Unauthenticated, "operator.required")
	_, err = w.login(olga, good, "x")
	want(t, "the old password", err, fault.Unauthenticated, "login.failed")
}
