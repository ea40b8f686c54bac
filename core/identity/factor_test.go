package identity_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

const short secret.Secret = "pell-mel"

// withApp is a person with an authenticator app, in a session, and their
// recovery codes. A step passes, so that the next code is a fresh one.
func (w *world) withApp(t *testing.T, email string) (identity.Principal, []secret.Secret) {
	t.Helper()
	who := w.who(t, w.person(t, email))
	codes := w.addApp(t, who)
	w.deliver(t)
	return who, codes
}

func (w *world) addApp(t *testing.T, who identity.Principal) []secret.Secret {
	t.Helper()
	_, err := w.EnrolTOTP(t.Context(), who)
	must(t, err)
	codes, err := w.ConfirmTOTP(t.Context(), who, codeAt(w.clock))
	must(t, err)
	w.pass(time.Minute)
	return codes
}

// asked signs in by password as somebody with a second factor.
func (w *world) asked(t *testing.T, from identity.Client, email string) *identity.Asked {
	t.Helper()
	in, err := w.Login(t.Context(), from, email, good)
	must(t, err)
	if in.SignedIn != nil || in.Asked == nil {
		t.Fatalf("%+v", in)
	}
	return in.Asked
}

func totpProof(code secret.Secret) identity.Proof {
	return identity.Proof{Method: identity.ByTOTP, Code: code}
}

func TestAnAppCountsOnceItShowedACode(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	who := w.who(t, w.person(t, "ann@example.test"))
	e, err := w.EnrolTOTP(ctx, who)
	must(t, err)
	if e.Secret.Reveal() != "shared" || !strings.Contains(e.URI.Reveal(), "ann@example.test") || len(e.Picture) == 0 {
		t.Errorf("%+v", e)
	}
	w.login(t, "ann@example.test", good) // nobody asks for it yet
	_, err = w.ConfirmTOTP(ctx, who, "nonsense")
	want(t, "a wrong code", err, fault.Invalid, "factor.wrong_code")
	codes, err := w.ConfirmTOTP(ctx, who, codeAt(w.clock))
	if err != nil || len(codes) != identity.RecoveryCodes {
		t.Fatalf("%d codes, %v", len(codes), err)
	}
	_, err = w.ConfirmTOTP(ctx, who, codeAt(w.clock))
	want(t, "twice", err, fault.NotFound, "totp.not_waiting")
	asked := w.asked(t, laptop, "ann@example.test")
	if !slices.Equal(asked.Methods, []identity.Method{identity.ByTOTP, identity.ByRecovery}) || asked.Passkey != nil {
		t.Errorf("asked for %v", asked.Methods)
	}
	_, err = w.Answer(ctx, laptop, asked.Token, totpProof(codeAt(w.clock)))
	want(t, "the code that confirmed", err, fault.Invalid, "factor.wrong_code")
	w.pass(30 * time.Second)
	in, err := w.Answer(ctx, laptop, asked.Token, totpProof(codeAt(w.clock)))
	must(t, err)
	if !w.who(t, in).Strong {
		t.Error("two factors are not strong")
	}
	_, err = w.Answer(ctx, laptop, asked.Token, totpProof(codeAt(w.clock)))
	want(t, "an answered question", err, fault.Unauthenticated, "challenge.closed")
	again := w.asked(t, laptop, "ann@example.test")
	_, err = w.Answer(ctx, laptop, again.Token, totpProof(codeAt(w.clock)))
	want(t, "a used code", err, fault.Invalid, "factor.wrong_code")
}

func TestAnEnrolmentExpires(t *testing.T) {
	w := newWorld()
	in := w.person(t, "ann@example.test")
	who := w.who(t, in)
	_, err := w.EnrolTOTP(t.Context(), who)
	must(t, err)
	w.pass(identity.EnrolTTL)
	who.AuthenticatedAt = w.clock
	_, err = w.ConfirmTOTP(t.Context(), who, codeAt(w.clock))
	want(t, "too late", err, fault.NotFound, "totp.not_waiting")
}

// Two clients show one code at once: one of them gets in.
func TestACodeWorksOnceAtOnce(t *testing.T) {
	w := newWorld()
	w.withApp(t, "ann@example.test")
	a, b := w.asked(t, laptop, "ann@example.test"), w.asked(t, laptop, "ann@example.test")
	var wg sync.WaitGroup
	var errs [2]error
	for i, asked := range []*identity.Asked{a, b} {
		wg.Go(func() { _, errs[i] = w.Answer(t.Context(), laptop, asked.Token, totpProof(codeAt(w.clock))) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("%v, %v", errs[0], errs[1])
	}
}

// Guessing codes slows down, by person; and a question waits five minutes.
func TestGuessingCodesSlowsDown(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	w.withApp(t, "ann@example.test")
	asked := w.asked(t, thief, "ann@example.test")
	for range 5 {
		_, err := w.Answer(ctx, thief, asked.Token, totpProof("000000"))
		want(t, "a free guess", err, fault.Invalid, "factor.wrong_code")
	}
	opened := w.safe.opened
	for _, from := range []identity.Client{thief, laptop} { // all strangers share them
		_, err := w.Answer(ctx, from, w.asked(t, from, "ann@example.test").Token, totpProof(codeAt(w.clock)))
		want(t, "the next", err, fault.RateLimited, "auth.slow_down")
	}
	if w.safe.opened != opened {
		t.Error("a refused guess was looked at")
	}
	w.pass(identity.ChallengeTTL)
	_, err := w.Answer(ctx, thief, asked.Token, totpProof(codeAt(w.clock)))
	want(t, "an old question", err, fault.Unauthenticated, "challenge.closed")
}

func TestRecoveryCodesWorkOnce(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	who, codes := w.withApp(t, "ann@example.test")
	use := func(code secret.Secret) error {
		_, err := w.Answer(ctx, laptop, w.asked(t, laptop, "ann@example.test").Token, identity.Proof{Method: identity.ByRecovery, Code: code})
		return err
	}
	must(t, use(codes[3]))
	want(t, "a used one", use(codes[3]), fault.Invalid, "factor.wrong_code")
	must(t, use(secret.Secret(" "+strings.ToUpper(strings.ReplaceAll(codes[4].Reveal(), "-", " ")))))
	told := w.deliver(t)
	if !strings.Contains(told[0].Text+told[len(told)-1].Text, "recovery code") {
		t.Errorf("told %q", told[len(told)-1].Text)
	}
	held, err := w.Factors(ctx, who)
	if err != nil || held.Recovery != identity.RecoveryCodes-2 {
		t.Errorf("%d left, %v", held.Recovery, err)
	}
	fresh, err := w.RenewRecoveryCodes(ctx, who)
	must(t, err)
	want(t, "an old one", use(codes[5]), fault.Invalid, "factor.wrong_code")
	must(t, use(fresh[0]))
	must(t, w.RemoveTOTP(ctx, who))
	_, err = w.RenewRecoveryCodes(ctx, who)
	want(t, "without a factor", err, fault.Conflict, "factor.none")
	w.login(t, "ann@example.test", good) // and nobody asks any more
}

// Nothing of a factor is kept as it was shown.
func TestFactorsAreNotKeptInPlainText(t *testing.T) {
	w := newWorld()
	_, codes := w.withApp(t, "ann@example.test")
	asked := w.asked(t, laptop, "ann@example.test")
	rows := dump(w.store.Rows())
	for _, s := range append(codes, asked.Token, "shared") {
		if strings.Contains(rows, s.Reveal()) || strings.Contains(rows, strings.ReplaceAll(s.Reveal(), "-", "")) {
			t.Errorf("%q is kept", s.Reveal())
		}
	}
}

// Fifteen characters alone, eight with another factor; and not the other way
// round by taking the factor away.
func TestAShortPasswordNeedsAnotherFactor(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	plain := w.who(t, w.person(t, "bob@example.test"))
	want(t, "alone", w.ChangePassword(ctx, plain, good, short), fault.Invalid, "password.too_short")
	who, _ := w.withApp(t, "ann@example.test")
	want(t, "seven", w.ChangePassword(ctx, who, good, short[:7]), fault.Invalid, "password.too_short")
	want(t, "a stolen one", w.ChangePassword(ctx, who, good, "blink182"), fault.Invalid, "password.breached")
	must(t, w.ChangePassword(ctx, who, good, short))
	want(t, "taking the factor away", w.RemoveTOTP(ctx, who), fault.Conflict, "factor.password_too_short")
	must(t, w.ChangePassword(ctx, who, short, other))
	must(t, w.RemoveTOTP(ctx, who))
}

func TestAFactorIsToldOf(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	who := w.who(t, w.person(t, "ann@example.test"))
	told := func() string {
		mail := w.deliver(t)
		return mail[len(mail)-1].Subject
	}
	w.deliver(t)
	w.addApp(t, who)
	if s := told(); s != "An authenticator app was added" {
		t.Error(s)
	}
	must(t, w.RemoveTOTP(ctx, who))
	if s := told(); s != "The authenticator app was removed" {
		t.Error(s)
	}
}

// What changes factors asks for somebody who just proved who they are.
func TestStepUp(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	in := w.person(t, "ann@example.test")
	w.pass(9 * time.Minute)
	must(t, w.SteppedUp(ctx, w.who(t, in)))
	w.pass(time.Minute)
	in, err := w.Refresh(ctx, laptop, in.Refresh) // proves nothing
	must(t, err)
	who := w.who(t, in)
	for what, err := range map[string]error{
		"enrol":   second(w.EnrolTOTP(ctx, who)),
		"confirm": second(w.ConfirmTOTP(ctx, who, "1")), "remove": w.RemoveTOTP(ctx, who), "codes": second(w.RenewRecoveryCodes(ctx, who)),
		"begin a passkey": second(w.BeginPasskey(ctx, who, laptop)), "remove a passkey": w.RemovePasskey(ctx, who, "pky_x"),
		"add a passkey": func() error { _, _, err := w.AddPasskey(ctx, who, laptop, "cch_x", "x", nil); return err }(),
	} {
		want(t, what, err, fault.Forbidden, "stepup.required")
	}
	asked, err := w.AskStepUp(ctx, who, laptop)
	must(t, err)
	if !slices.Equal(asked.Methods, []identity.Method{identity.ByPassword}) {
		t.Errorf("%v", asked.Methods)
	}
	_, err = w.StepUp(ctx, who, laptop, "", identity.Proof{Method: identity.ByPassword, Password: other})
	want(t, "a wrong password", err, fault.Invalid, "password.wrong")
	until, err := w.StepUp(ctx, who, laptop, "", identity.Proof{Method: identity.ByPassword, Password: good})
	if err != nil || !until.Equal(w.clock.Add(identity.StepUpTTL)) {
		t.Fatal(until, err)
	}
	who = w.who(t, in)
	must(t, w.SteppedUp(ctx, who))
	w.addApp(t, who)
	_, err = w.StepUp(ctx, who, laptop, "", identity.Proof{Method: identity.ByPassword, Password: good})
	want(t, "a password where there is a factor", err, fault.Invalid, "challenge.method")
	_, err = w.StepUp(ctx, who, laptop, "", totpProof(codeAt(w.clock)))
	must(t, err)
	want(t, "a key", w.SteppedUp(ctx, keyPrincipal()), fault.Forbidden, "key.not_a_person")
}

func second[T any](_ T, err error) error { return err }
