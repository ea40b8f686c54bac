package identity_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

// stray is a well-formed token that was never given out.
func stray(prefix string) secret.Secret { return secret.Secret(prefix + strings.Repeat("0", 52)) }

// What cannot be a token is refused without a look at the database: there is none.
func TestWhatCannotBeATokenCostsNothing(t *testing.T) {
	w := newWorld()
	w.open(nil, identity.Config{RefreshKey: []byte("refresh"), AddressKey: []byte("address")})
	w.Service = identity.New(nil, nil, &w.hasher, &signer{now: func() time.Time { return w.clock }}, w, w, identity.Proofs{Codes: apps{}, Passkeys: touches{}, Sealer: &w.safe, Party: party}, identity.Config{}, func() time.Time { return w.clock })
	f := identity.NewFederation(w.Service, nil, identity.FederationConfig{Key: []byte("key"), Callback: func(string) string { return "" }})
	who := identity.Principal{User: "usr_1", Session: "ses_1", AuthenticatedAt: w.clock}
	ctx := t.Context()
	bad := func(prefix string) []secret.Secret {
		zeros := strings.Repeat("0", 51)
		return []secret.Secret{"", secret.Secret(prefix), secret.Secret(prefix + zeros), secret.Secret(prefix + zeros + "00"), secret.Secret(prefix + zeros + "u"), secret.Secret("xxx_" + zeros + "0"), secret.Secret(zeros + "0")}
	}
	for name, tc := range map[string]struct {
		prefix string
		show   func(secret.Secret) error
		reason string
	}{
		"verify":  {"cvf_", func(s secret.Secret) error { return w.Verify(ctx, laptop, s, good) }, "link.invalid"},
		"reset":   {"crs_", func(s secret.Secret) error { return w.ResetPassword(ctx, laptop, s, good) }, "link.invalid"},
		"disown":  {"cds_", func(s secret.Secret) error { return w.DisownSession(ctx, laptop, s) }, "link.invalid"},
		"refresh": {"crt_", func(s secret.Secret) error { _, err := w.Refresh(ctx, laptop, s); return err }, "session.ended"},
		"answer":  {"cch_", func(s secret.Secret) error { _, err := w.Answer(ctx, laptop, s, identity.Proof{}); return err }, "challenge.closed"},
		"state": {"cst_", func(s secret.Secret) error {
			_, err := f.SignIn(ctx, laptop, identity.Return{State: s, Binder: stray("cbd_")})
			return err
		}, "sign_in.stale"},
		"binder": {"cbd_", func(s secret.Secret) error {
			_, err := f.Link(ctx, who, identity.Return{State: stray("cst_"), Binder: s})
			return err
		}, "sign_in.stale"},
		"key": {"car_live_" + strings.Repeat("0", 26) + "_", func(s secret.Secret) error {
			if !strings.HasPrefix(s.Reveal(), "car_") {
				s = "car_" + s
			}
			_, err := w.Authenticate(ctx, s.Reveal())
			return err
		}, "key.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, token := range bad(tc.prefix) {
				if f := fault.Of(tc.show(token)); f == nil || f.Reason != tc.reason {
					t.Errorf("%q: %v, want %s", token.Reveal(), f, tc.reason)
				}
			}
		})
	}
	for _, token := range []string{"car_live_x_" + strings.Repeat("0", 52), "car_test_" + strings.Repeat("0", 26) + "_" + strings.Repeat("0", 52), "car_live_" + strings.Repeat("0", 26)} {
		_, err := w.Authenticate(ctx, token)
		want(t, token, err, fault.Unauthenticated, "key.invalid")
	}
}

// The name of a key is no secret; what follows is.
func TestAKeyWithAnotherSecretOpensNothing(t *testing.T) {
	w := newWorld()
	key := w.key(t, w.admin(), ci()).Secret.Reveal()
	last := "0"
	if strings.HasSuffix(key, "0") {
		last = "1"
	}
	_, err := w.Authenticate(t.Context(), key[:len(key)-1]+last)
	want(t, "another secret", err, fault.Unauthenticated, "key.invalid")
}

// Every use case of a person refuses whoever is none, before it looks at anything.
func TestEveryUseCaseOfAPersonNeedsOne(t *testing.T) {
	w := newWorld()
	w.open(nil, identity.Config{})
	f := identity.NewFederation(w.Service, nil, identity.FederationConfig{})
	asked := 0
	for _, service := range []any{w.Service, f} {
		v := reflect.ValueOf(service)
		for i := range v.NumMethod() {
			m := v.Type().Method(i)
			if m.Type.NumIn() < 3 || m.Type.In(2) != reflect.TypeFor[identity.Principal]() || m.Name == "StillSignedIn" {
				continue
			}
			asked++
			for name, tc := range map[string]struct {
				who    identity.Principal
				reason string
			}{
				"nobody": {identity.Principal{}, "auth.required"}, "a key": {keyPrincipal(), "key.not_a_person"},
				"without a session": {identity.Principal{User: "usr_1"}, "auth.required"}, "without a name": {identity.Principal{Session: "ses_1"}, "auth.required"},
			} {
				in := []reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(tc.who)}
				for k := 3; k < m.Type.NumIn(); k++ {
					in = append(in, reflect.Zero(m.Type.In(k)))
				}
				t.Run(m.Name+" "+name, func(t *testing.T) { refusedAtOnce(t, v.Method(i), in, tc.reason) })
			}
		}
	}
	if asked < 20 {
		t.Errorf("only %d use cases are of persons", asked)
	}
}

func refusedAtOnce(t *testing.T, method reflect.Value, in []reflect.Value, reason string) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("it went on: %v", p)
		}
	}()
	out := method.Call(in)
	err, _ := out[len(out)-1].Interface().(error)
	if f := fault.Of(err); f == nil || f.Reason != reason {
		t.Errorf("err = %v, want %s", err, reason)
	}
}

// A session is one person's: with another's name it opens nothing.
func TestASessionIsOnePersons(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	ann, bob := w.who(t, w.person(t, "ann@example.test")), w.who(t, w.person(t, "bob@example.test"))
	mixed := bob
	mixed.Session = ann.Session
	want(t, "still there", w.StillSignedIn(ctx, mixed), fault.Unauthenticated, "session.ended")
	_, err := w.StepUp(ctx, mixed, laptop, "", identity.Proof{Method: identity.ByPassword, Password: good})
	want(t, "stepping up", err, fault.Unauthenticated, "session.ended")
	asked, err := w.BeginPasskey(ctx, ann, atApp)
	must(t, err)
	_, _, err = w.AddPasskey(ctx, mixed, atApp, asked.Token, "phone", answer(asked.Passkey, "phone", 1))
	want(t, "answering another's question", err, fault.Unauthenticated, "challenge.closed")
}

// What a person went to a provider for is what they come back for.
func TestATripIsForOneThing(t *testing.T) {
	b := newBridge(t, nil)
	in, err := b.arrive("first", "ann")
	must(t, err)
	who := b.who(t, in)
	d, err := b.StartStepUp(t.Context(), who, "first")
	must(t, err)
	_, err = b.Link(t.Context(), who, returned(d, "first", "ann"))
	want(t, "linking with what was meant to prove it once more", err, fault.Unauthenticated, "sign_in.stale")
	b.addPasskey(t, who, atApp, "phone")
	_, err = b.StartStepUp(t.Context(), who, "first")
	want(t, "who has a second factor leaves", err, fault.Conflict, "identity.step_up_otherwise")
	_, err = b.StepUp(t.Context(), who, identity.Return{})
	want(t, "who has a second factor returns", err, fault.Conflict, "identity.step_up_otherwise")
	password := b.who(t, b.person(t, "bob@here.test"))
	_, err = b.StartStepUp(t.Context(), password, "first")
	want(t, "who has a password leaves", err, fault.Conflict, "identity.step_up_otherwise")
	_, err = b.StepUp(t.Context(), password, identity.Return{})
	want(t, "who has a password returns", err, fault.Conflict, "identity.step_up_otherwise")
}

func TestNamesOfThingsAreForPeople(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	who := w.who(t, w.person(t, "ann@example.test"))
	asked, err := w.BeginPasskey(ctx, who, atApp)
	must(t, err)
	_, _, err = w.AddPasskey(ctx, who, atApp, asked.Token, " ", answer(asked.Passkey, "phone", 1))
	want(t, "no name", err, fault.Invalid, "name.empty")
	k := w.addPasskey(t, who, atApp, "phone")
	for name, reason := range map[string]string{"\xff": "name.characters", "a\nb": "name.characters", strings.Repeat("é", identity.MaxName+1): "name.too_long"} {
		_, err = w.RenamePasskey(ctx, who, k.ID, name)
		want(t, name, err, fault.Invalid, reason)
	}
	if _, err := identity.Address("<ann@example.test>"); err == nil {
		t.Error("an address in brackets is taken")
	}
}

// A passkey of the same person at another host answers nothing that was asked here.
func TestAPasskeyAnswersWhereItWasAsked(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	who := w.who(t, w.person(t, "ann@example.test"))
	elsewhere := atApp
	elsewhere.Host = "other.example.test"
	w.addPasskey(t, who, atApp, "phone")
	w.addPasskey(t, who, elsewhere, "desk")
	asked := w.asked(t, atApp, "ann@example.test")
	_, err := w.Answer(ctx, elsewhere, asked.Token, identity.Proof{Method: identity.ByPasskey, Passkey: answer(asked.Passkey, "desk", 2)})
	want(t, "another host's", err, fault.Invalid, "passkey.wrong")
}

// Two who add the last one that there is room for at once do not both succeed.
func TestTheLastPlaceIsGivenOnce(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	who := w.who(t, w.person(t, "ann@example.test"))
	for i := range identity.MaxPasskeys - 1 {
		w.addPasskey(t, who, atApp, "phone"+strings.Repeat("x", i))
	}
	one, err := w.BeginPasskey(ctx, who, atApp)
	must(t, err)
	two, err := w.BeginPasskey(ctx, who, atApp)
	must(t, err)
	_, _, err = w.AddPasskey(ctx, who, atApp, one.Token, "one", answer(one.Passkey, "one", 1))
	must(t, err)
	if _, _, err = w.AddPasskey(ctx, who, atApp, two.Token, "two", answer(two.Passkey, "two", 1)); !fault.Is(err, fault.Conflict) {
		t.Errorf("one too many: %v", err)
	}
}

// A password that is too long to be one is not hashed, wherever it is typed.
func TestALongPasswordIsNotHashedAnywhere(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	who := w.who(t, w.person(t, "ann@example.test"))
	must(t, w.Register(ctx, laptop, identity.Registration{Email: "new@example.test", Name: "New", Password: good}))
	link := w.token(t)
	before, long := w.hasher.compares, secret.Secret(strings.Repeat("x", 5000))
	want(t, "verify", w.Verify(ctx, laptop, link, long), fault.Invalid, "registration.password")
	_, err := w.StepUp(ctx, who, laptop, "", identity.Proof{Method: identity.ByPassword, Password: long})
	want(t, "step up", err, fault.Invalid, "password.wrong")
	if w.hasher.compares != before {
		t.Errorf("%d were compared", w.hasher.compares-before)
	}
}
