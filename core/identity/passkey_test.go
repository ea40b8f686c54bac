package identity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
)

func dump(v any) string { return fmt.Sprintf("%+v", v) }

var atApp = func() identity.Client { c := laptop; c.Host = "app.example.test"; return c }()

// addPasskey gives who a passkey for a host.
func (w *world) addPasskey(t *testing.T, who identity.Principal, from identity.Client, key string) *identity.Passkey {
	t.Helper()
	asked, err := w.BeginPasskey(t.Context(), who, from)
	must(t, err)
	k, _, err := w.AddPasskey(t.Context(), who, from, asked.Token, " "+key+" ", answer(asked.Passkey, key, 1))
	must(t, err)
	return k
}

func (w *world) touch(t *testing.T, from identity.Client, key string, n int) (*identity.Entry, error) {
	t.Helper()
	asked, err := w.BeginPasskeyLogin(t.Context(), from)
	must(t, err)
	return w.PasskeyLogin(t.Context(), from, asked.Token, answer(asked.Passkey, key, n))
}

// A passkey signs in without an address, and is two factors in one.
func TestAPasskeySignsIn(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	ann := w.person(t, "ann@example.test")
	who := w.who(t, ann)
	k := w.addPasskey(t, who, atApp, "phone")
	if k.Name != "phone" || k.Party != "app.example.test" {
		t.Errorf("%+v", k)
	}
	in, err := w.touch(t, atApp, "phone", 2)
	must(t, err)
	if in.SignedIn == nil || in.User != ann.User || !w.who(t, in.SignedIn).Strong {
		t.Errorf("%+v", in)
	}
	asked, err := w.BeginPasskeyLogin(ctx, atApp)
	must(t, err)
	said := answer(asked.Passkey, "phone", 3)
	_, err = w.PasskeyLogin(ctx, atApp, asked.Token, said)
	must(t, err)
	_, err = w.PasskeyLogin(ctx, atApp, asked.Token, said)
	want(t, "an answer twice", err, fault.Unauthenticated, "challenge.closed")
	_, err = w.touch(t, atApp, "nobody's", 1)
	want(t, "a key that nobody has", err, fault.Invalid, "passkey.wrong")
	elsewhere := atApp
	elsewhere.Host = "other.example.test"
	_, err = w.touch(t, elsewhere, "phone", 4)
	want(t, "another host", err, fault.Invalid, "passkey.wrong")
	asked, err = w.BeginPasskeyLogin(ctx, atApp)
	must(t, err)
	_, err = w.PasskeyLogin(ctx, elsewhere, asked.Token, answer(asked.Passkey, "phone", 4))
	want(t, "asked here, answered there", err, fault.Unauthenticated, "challenge.closed")
	_, err = w.BeginPasskeyLogin(ctx, laptop)
	want(t, "a host without a name", err, fault.Conflict, "passkey.no_host")
}

func TestAPasskeyIsASecondFactor(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	who := w.who(t, w.person(t, "ann@example.test"))
	w.addPasskey(t, who, atApp, "phone")
	asked := w.asked(t, atApp, "ann@example.test")
	if !slices.Equal(asked.Methods, []identity.Method{identity.ByPasskey, identity.ByRecovery}) || asked.Passkey == nil {
		t.Fatalf("%v", asked.Methods)
	}
	_, err := w.PasskeyLogin(ctx, atApp, asked.Token, answer(asked.Passkey, "phone", 2))
	want(t, "at another door", err, fault.Unauthenticated, "challenge.closed")
	_, err = w.Answer(ctx, atApp, asked.Token, identity.Proof{Method: identity.ByPassword, Password: good})
	want(t, "the password again", err, fault.Invalid, "challenge.method")
	bob := w.who(t, w.person(t, "bob@example.test"))
	w.addPasskey(t, bob, atApp, "bob's")
	_, err = w.Answer(ctx, atApp, asked.Token, identity.Proof{Method: identity.ByPasskey, Passkey: answer(asked.Passkey, "bob's", 2)})
	want(t, "another person's", err, fault.Invalid, "passkey.wrong")
	_, err = w.Answer(ctx, atApp, asked.Token, identity.Proof{Method: identity.ByPasskey, Passkey: answer(asked.Passkey, "phone", 2)})
	must(t, err)
	if asked := w.asked(t, laptop, "ann@example.test"); !slices.Equal(asked.Methods, []identity.Method{identity.ByRecovery}) {
		t.Errorf("where the passkey does not work: %v", asked.Methods)
	}
}

func TestACopiedPasskeyIsSwitchedOff(t *testing.T) {
	w := newWorld()
	who := w.who(t, w.person(t, "ann@example.test"))
	w.addPasskey(t, who, atApp, "phone")
	_, err := w.touch(t, atApp, "phone", 7)
	must(t, err)
	w.deliver(t)
	_, err = w.touch(t, atApp, "phone", 3)
	want(t, "a counter that went back", err, fault.Invalid, "passkey.suspect")
	if mail := w.deliver(t); len(mail) != 1 || mail[0].Subject != "A passkey was switched off" {
		t.Errorf("told %v", mail)
	}
	_, err = w.touch(t, atApp, "phone", 8)
	want(t, "afterwards", err, fault.Invalid, "passkey.wrong")
}

func TestPasskeysAreTheirOwners(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	ann, bob := w.who(t, w.person(t, "ann@example.test")), w.who(t, w.person(t, "bob@example.test"))
	k := w.addPasskey(t, ann, atApp, "phone")
	want(t, "renaming another's", second(w.RenamePasskey(ctx, bob, k.ID, "x")), fault.NotFound, "not_found")
	want(t, "removing another's", w.RemovePasskey(ctx, bob, k.ID), fault.NotFound, "not_found")
	want(t, "no name", second(w.RenamePasskey(ctx, ann, k.ID, " ")), fault.Invalid, "name.empty")
	named, err := w.RenamePasskey(ctx, ann, k.ID, "Phone in red")
	if err != nil || named.Name != "Phone in red" {
		t.Errorf("%+v, %v", named, err)
	}
	asked, err := w.BeginPasskey(ctx, ann, atApp)
	must(t, err)
	_, _, err = w.AddPasskey(ctx, bob, atApp, asked.Token, "x", answer(asked.Passkey, "stolen", 1))
	want(t, "a question of somebody else's", err, fault.Unauthenticated, "challenge.closed")
	elsewhere := w.login2(t, "ann@example.test", ann)
	_, _, err = w.AddPasskey(ctx, elsewhere, atApp, asked.Token, "x", answer(asked.Passkey, "stolen", 1))
	want(t, "of another session", err, fault.Unauthenticated, "challenge.closed")
	must(t, w.RemovePasskey(ctx, ann, k.ID))
	w.login(t, "ann@example.test", good)
}

// login2 is another session of who, who has a passkey.
func (w *world) login2(t *testing.T, email string, who identity.Principal) identity.Principal {
	t.Helper()
	asked := w.asked(t, atApp, email)
	in, err := w.Answer(t.Context(), atApp, asked.Token, identity.Proof{Method: identity.ByPasskey, Passkey: answer(asked.Passkey, "phone", 9)})
	must(t, err)
	_ = who
	return w.who(t, in)
}

func TestPasskeysAreAsManyAsCanBeToldApart(t *testing.T) {
	w := newWorld()
	who := w.who(t, w.person(t, "ann@example.test"))
	for i := range identity.MaxPasskeys {
		w.addPasskey(t, who, atApp, fmt.Sprint("key ", i))
	}
	want(t, "one more", second(w.BeginPasskey(t.Context(), who, atApp)), fault.Conflict, "passkey.too_many")
}

// A step-up by passkey is for one session.
func TestStepUpByPasskey(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	in := w.person(t, "ann@example.test")
	who := w.who(t, in)
	w.addPasskey(t, who, atApp, "phone")
	other := w.login2(t, "ann@example.test", who)
	asked, err := w.AskStepUp(ctx, who, atApp)
	must(t, err)
	proof := identity.Proof{Method: identity.ByPasskey, Passkey: answer(asked.Passkey, "phone", 20)}
	_, err = w.StepUp(ctx, other, atApp, asked.Token, proof)
	want(t, "another session", err, fault.Unauthenticated, "challenge.closed")
	w.pass(time.Minute)
	_, err = w.StepUp(ctx, who, atApp, asked.Token, proof)
	must(t, err)
	_, err = w.StepUp(ctx, who, atApp, asked.Token, proof)
	want(t, "twice", err, fault.Unauthenticated, "challenge.closed")
	if now := w.who(t, in); !now.AuthenticatedAt.Equal(w.clock) || !now.Strong {
		t.Errorf("%+v", now)
	}
}

func TestThePostSaysWhatHappened(t *testing.T) {
	w := newWorld()
	who := w.who(t, w.person(t, "ann@example.test"))
	w.deliver(t)
	k := w.addPasskey(t, who, atApp, "phone")
	must(t, w.RemovePasskey(t.Context(), who, k.ID))
	var subjects []string
	for _, m := range w.deliver(t) {
		subjects = append(subjects, m.Subject)
	}
	if got := strings.Join(subjects, "; "); got != "A passkey was added; A passkey was removed" {
		t.Error(got)
	}
}
