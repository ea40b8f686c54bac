package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
)

// elsewhere are two providers that believe whoever comes with the right trip.
type elsewhere struct {
	says  map[string]identity.Assertion // by code
	trips map[string]identity.Trip      // by state, as they were begun
	asked int
}

func (e *elsewhere) List() []identity.Provider {
	return []identity.Provider{{Name: "first", Title: "The First"}, {Name: "second", Title: "The Second"}}
}

func (e *elsewhere) Begin(_ context.Context, name string, trip identity.Trip) (string, error) {
	if name != "first" && name != "second" {
		return "", fault.New(fault.NotFound, "provider.not_found", "No.")
	}
	e.trips[trip.State] = trip
	return "https://" + name + ".test/?" + url.Values{"state": {trip.State}, "nonce": {trip.Nonce}, "to": {trip.Redirect}}.Encode(), nil
}

func (e *elsewhere) Finish(_ context.Context, name string, back identity.Return, trip identity.Trip) (identity.Assertion, error) {
	e.asked++
	if e.trips[trip.State] != trip {
		return identity.Assertion{}, errors.New("the trip is another one at its end")
	}
	a := e.says[back.Code.Reveal()]
	a.Issuer = "https://" + name + ".test"
	return a, nil
}

type bridge struct {
	*world
	*identity.Federation
	there *elsewhere
	t     *testing.T
}

func newBridge(t *testing.T, cfg func(*identity.Config)) *bridge {
	t.Helper()
	w := newWorldWith(cfg)
	there := &elsewhere{trips: map[string]identity.Trip{}, says: map[string]identity.Assertion{
		"ann":         {Subject: "1", Email: "Ann@There.test", EmailVerified: true, Name: "Ann"},
		"unverified":  {Subject: "2", Email: "ann@there.test", Name: "Not Ann"},
		"nameless":    {Subject: "3", Email: "bob@there.test", EmailVerified: true, Name: "\x00"},
		"bob":         {Subject: "4", Email: "bob@elsewhere.test", EmailVerified: true, Name: "Bob"},
		"addressless": {Subject: "5", EmailVerified: true},
	}}
	f := identity.NewFederation(w.Service, there, identity.FederationConfig{
		Key: []byte("key"), Callback: func(name string) string { return "https://app.test/sign-in/" + name },
	})
	return &bridge{w, f, there, t}
}

// leave begins to sign in and returns how it will end.
func (b *bridge) leave(provider, code string) identity.Return {
	b.t.Helper()
	d, err := b.Start(b.t.Context(), laptop, provider)
	must(b.t, err)
	return returned(d, provider, code)
}

func returned(d *identity.Departure, provider, code string) identity.Return {
	return identity.Return{Provider: provider, State: d.State, Binder: d.Binder, Code: secret.Secret(code)}
}

func (b *bridge) arrive(provider, code string) (*identity.SignedIn, error) {
	b.t.Helper()
	in, err := b.SignIn(b.t.Context(), laptop, b.leave(provider, code))
	if err != nil {
		return nil, err
	}
	return in.SignedIn, nil
}

func TestAStrangerWhomAProviderVouchesForRegisters(t *testing.T) {
	b := newBridge(t, nil)
	// Somebody had begun to register the address: that ends.
	must(t, b.Register(t.Context(), thief, identity.Registration{Email: "ann@there.test", Name: "Ann", Password: other}))
	in, err := b.arrive("first", "ann")
	must(t, err)
	me, err := b.Me(t.Context(), b.who(t, in))
	must(t, err)
	if me.Email != "ann@there.test" || me.Name != "Ann" || me.Home == "" {
		t.Errorf("registered as %+v", me)
	}
	again, err := b.arrive("first", "ann")
	must(t, err)
	if again.User != in.User {
		t.Errorf("the second time she is %s", again.User)
	}
	// There is no password that opens the account, and none that was waiting.
	for _, guess := range []secret.Secret{"", other, good} {
		_, err = b.Login(t.Context(), thief, "ann@there.test", guess)
		want(t, "a password that nobody set", err, fault.Unauthenticated, "login.failed")
	}
	told := ""
	for _, m := range b.deliver(t) {
		told += m.Subject + "\n"
	}
	if !strings.Contains(told, "sign in with The First") {
		t.Errorf("she is told %q", told)
	}
	// She can set one, as if she had forgotten it.
	must(t, b.ForgotPassword(t.Context(), laptop, "ann@there.test"))
	must(t, b.ResetPassword(t.Context(), laptop, b.token(t), good))
	b.login(t, "ann@there.test", good)
}

func TestWhomAProviderDoesNotVouchFor(t *testing.T) {
	b := newBridge(t, nil)
	for _, code := range []string{"unverified", "addressless"} {
		_, err := b.arrive("first", code)
		want(t, code, err, fault.Forbidden, "identity.email_unverified")
	}
	in, err := b.arrive("first", "nameless")
	must(t, err)
	if me, _ := b.Me(t.Context(), b.who(t, in)); me.Name != "bob" {
		t.Errorf("called %q", me.Name)
	}
}

// An address is no proof of who somebody is here, however sure the provider is.
func TestAnAddressIsNeverALink(t *testing.T) {
	b := newBridge(t, nil)
	ann := b.person(t, "ann@there.test")
	for _, provider := range []string{"first", "second"} {
		_, err := b.arrive(provider, "ann")
		want(t, "whoever has ann's address at "+provider, err, fault.Conflict, "identity.link_required")
	}
	d, err := b.StartLink(t.Context(), b.who(t, ann), "first")
	must(t, err)
	_, err = b.Link(t.Context(), b.who(t, ann), returned(d, "first", "ann"))
	must(t, err)
	in, err := b.arrive("first", "ann")
	must(t, err)
	if in.User != ann.User {
		t.Errorf("signed in as %s", in.User)
	}
	_, err = b.arrive("second", "ann") // the same subject and address, of another issuer
	want(t, "the same account at another provider", err, fault.Conflict, "identity.link_required")
}

func TestClosedRegistration(t *testing.T) {
	b := newBridge(t, func(c *identity.Config) { c.Closed = true })
	_, err := b.arrive("first", "ann")
	want(t, "a stranger", err, fault.Forbidden, "registration.closed")
	want(t, "a registration", b.Register(t.Context(), laptop, identity.Registration{Email: "ann@there.test", Name: "Ann", Password: good}),
		fault.Forbidden, "registration.closed")
}

// What comes back counts once, in the browser that it left from, from the
// provider that it went to, and for what it went for.
func TestAnAttempt(t *testing.T) {
	b := newBridge(t, nil)
	ann := b.who(t, b.person(t, "someone@here.test"))
	linking, err := b.StartLink(t.Context(), ann, "first")
	must(t, err)
	for name, change := range map[string]func(r *identity.Return){
		"another browser":         func(r *identity.Return) { r.Binder = b.leave("first", "").Binder },
		"no browser":              func(r *identity.Return) { r.Binder = "" },
		"a made-up state":         func(r *identity.Return) { r.State = "cst_" + r.State[4:12] + r.State[4:48] },
		"no state":                func(r *identity.Return) { r.State = "" },
		"the binder as the state": func(r *identity.Return) { r.State = r.Binder },
		"another provider":        func(r *identity.Return) { r.Provider = "second" },
		"none":                    func(r *identity.Return) { r.Provider = "third" },
		"an attempt to link":      func(r *identity.Return) { *r = returned(linking, "first", "ann") },
		"later than ten minutes":  func(*identity.Return) { b.pass(identity.AttemptTTL) },
	} {
		asked := b.there.asked
		r := b.leave("first", "ann")
		change(&r)
		_, err := b.SignIn(t.Context(), laptop, r)
		want(t, name, err, fault.Unauthenticated, "sign_in.stale")
		if b.there.asked != asked {
			t.Errorf("%s: the provider was asked", name)
		}
	}
	r := b.leave("first", "ann")
	_, err = b.SignIn(t.Context(), laptop, r)
	must(t, err)
	_, err = b.SignIn(t.Context(), laptop, r)
	want(t, "twice", err, fault.Unauthenticated, "sign_in.stale")

	// Another browser's try uses nothing up, or anybody could end it.
	r = b.leave("first", "ann")
	foreign := r
	foreign.Binder = b.leave("first", "").Binder
	_, err = b.SignIn(t.Context(), thief, foreign)
	want(t, "another browser", err, fault.Unauthenticated, "sign_in.stale")
	_, err = b.SignIn(t.Context(), laptop, r)
	must(t, err)
}

// An attempt to link is of one person in one session.
func TestWhoMayFinishALink(t *testing.T) {
	b := newBridge(t, nil)
	ann, bob := b.person(t, "ann@here.test"), b.person(t, "bob@here.test")
	annToo := b.login(t, "ann@here.test", good)
	start := func() identity.Return {
		d, err := b.StartLink(t.Context(), b.who(t, ann), "first")
		must(t, err)
		return returned(d, "first", "ann")
	}
	for name, who := range map[string]identity.Principal{"another person": b.who(t, bob), "another session": b.who(t, annToo)} {
		_, err := b.Link(t.Context(), who, start())
		want(t, name, err, fault.Unauthenticated, "sign_in.stale")
	}
	_, err := b.Link(t.Context(), b.who(t, ann), b.leave("first", "ann"))
	want(t, "an attempt to sign in", err, fault.Unauthenticated, "sign_in.stale")
	_, err = b.Link(t.Context(), identity.Principal{}, start())
	want(t, "nobody", err, fault.Unauthenticated, "auth.required")
}

func (b *bridge) link(in *identity.SignedIn, provider, code string) (*identity.External, error) {
	b.t.Helper()
	d, err := b.StartLink(b.t.Context(), b.who(b.t, in), provider)
	must(b.t, err)
	return b.Link(b.t.Context(), b.who(b.t, in), returned(d, provider, code))
}

func TestLinkingAndUnlinking(t *testing.T) {
	b := newBridge(t, nil)
	ann, bob := b.person(t, "ann@here.test"), b.person(t, "bob@here.test")
	linked, err := b.link(ann, "first", "ann")
	must(t, err)
	if mail := b.deliver(t); mail[len(mail)-1].To != "ann@here.test" || !strings.Contains(mail[len(mail)-1].Subject, "The First") {
		t.Errorf("told %+v", mail[len(mail)-1])
	}
	same, err := b.link(ann, "first", "ann")
	must(t, err)
	if same.ID != linked.ID {
		t.Error("the same account is linked twice")
	}
	_, err = b.link(bob, "first", "ann")
	want(t, "an account of somebody else's", err, fault.Conflict, "identity.taken")

	elsewhere := b.login(t, "ann@here.test", good)
	want(t, "another person's", b.Unlink(t.Context(), b.who(t, bob), linked.ID), fault.NotFound, "identity.not_found")
	want(t, "nobody's", b.Unlink(t.Context(), b.who(t, ann), identity.ExternalID(id.New("idn"))), fault.NotFound, "identity.not_found")
	must(t, b.Unlink(t.Context(), b.who(t, ann), linked.ID))
	if mail := b.deliver(t); !strings.Contains(mail[len(mail)-1].Subject, "no longer sign in with The First") {
		t.Errorf("told %q", mail[len(mail)-1].Subject)
	}
	b.who(t, ann)
	_, err = b.Authenticate(t.Context(), elsewhere.Access.Reveal())
	want(t, "the other session", err, fault.Unauthenticated, "session.ended")
	if list, err := b.Linked(t.Context(), b.who(t, ann)); len(list) != 0 || err != nil {
		t.Errorf("left are %v, %v", list, err)
	}
}

func TestTheLastWayInStays(t *testing.T) {
	b := newBridge(t, nil)
	ann, err := b.arrive("first", "ann")
	must(t, err)
	list, err := b.Linked(t.Context(), b.who(t, ann))
	must(t, err)
	want(t, "the only one", b.Unlink(t.Context(), b.who(t, ann), list[0].ID), fault.Conflict, "identity.last_way")
	_, err = b.link(ann, "second", "bob")
	must(t, err)
	must(t, b.Unlink(t.Context(), b.who(t, ann), list[0].ID))
	list, err = b.Linked(t.Context(), b.who(t, ann))
	must(t, err)
	want(t, "the other one", b.Unlink(t.Context(), b.who(t, ann), list[0].ID), fault.Conflict, "identity.last_way")
	must(t, b.ForgotPassword(t.Context(), laptop, "ann@there.test"))
	must(t, b.ResetPassword(t.Context(), laptop, b.token(t), good))
	ann = b.login(t, "ann@there.test", good)
	must(t, b.Unlink(t.Context(), b.who(t, ann), list[0].ID))
}

// Nothing that is kept of an attempt would let a thief of the database finish it.
func TestAnAttemptKeepsNoSecret(t *testing.T) {
	b := newBridge(t, nil)
	r := b.leave("first", "ann")
	trip := b.there.trips[r.State.Reveal()]
	rows := fmt.Sprintf("%+v", b.store.Rows())
	for _, s := range []string{r.State.Reveal(), r.Binder.Reveal(), trip.Nonce, trip.Verifier} {
		if s == "" || strings.Contains(rows, s) {
			t.Errorf("%q is kept", s)
		}
	}
	if len(trip.Verifier) < 43 || trip.Verifier == trip.Nonce || trip.Redirect != "https://app.test/sign-in/first" {
		t.Errorf("%+v", trip)
	}
}

func (b *bridge) anew(who identity.Principal, provider, code string) error {
	b.t.Helper()
	d, err := b.StartStepUp(b.t.Context(), who, provider)
	if err != nil {
		return err
	}
	_, err = b.StepUp(b.t.Context(), who, returned(d, provider, code))
	return err
}

// Who has nothing here to prove it with proves at the provider once more who
// they are.
func TestStepUpAtAProvider(t *testing.T) {
	b := newBridge(t, nil)
	in, err := b.arrive("first", "ann")
	must(t, err)
	b.pass(identity.StepUpTTL)
	in, err = b.Refresh(t.Context(), laptop, in.Refresh)
	must(t, err)
	who := b.who(t, in)
	want(t, "after ten minutes", b.SteppedUp(t.Context(), who), fault.Forbidden, "stepup.required")
	want(t, "with an account that signs nobody in", b.anew(who, "second", "ann"), fault.Forbidden, "identity.not_yours")
	_, err = b.arrive("second", "bob")
	must(t, err)
	want(t, "with an account that signs somebody else in", b.anew(who, "second", "bob"), fault.Forbidden, "identity.not_yours")
	_, err = b.StepUp(t.Context(), who, b.leave("first", "ann"))
	want(t, "with what was meant to sign in", err, fault.Unauthenticated, "sign_in.stale")
	d, err := b.StartStepUp(t.Context(), who, "first")
	must(t, err)
	_, err = b.SignIn(t.Context(), laptop, returned(d, "first", "ann"))
	want(t, "a sign-in with what was meant for this", err, fault.Unauthenticated, "sign_in.stale")
	want(t, "after all that", b.SteppedUp(t.Context(), b.who(t, in)), fault.Forbidden, "stepup.required")

	must(t, b.anew(who, "first", "ann"))
	must(t, b.SteppedUp(t.Context(), b.who(t, in)))
	for _, trip := range b.there.trips {
		if trip.Since.After(b.clock) {
			t.Errorf("asked since %s, and it is %s", trip.Since, b.clock)
		}
	}

	must(t, b.ForgotPassword(t.Context(), laptop, "ann@there.test"))
	must(t, b.ResetPassword(t.Context(), laptop, b.token(t), good))
	who = b.who(t, b.login(t, "ann@there.test", good))
	want(t, "who has a password", b.anew(who, "first", "ann"), fault.Conflict, "identity.step_up_otherwise")
}

// A provider is one factor: whoever has a second is asked for it.
func TestAProviderIsOneFactor(t *testing.T) {
	b := newBridge(t, nil)
	in, err := b.arrive("first", "ann")
	must(t, err)
	_, err = b.EnrolTOTP(t.Context(), b.who(t, in))
	must(t, err)
	_, err = b.ConfirmTOTP(t.Context(), b.who(t, in), codeAt(b.clock))
	must(t, err)
	b.pass(time.Minute)
	entry, err := b.SignIn(t.Context(), laptop, b.leave("first", "ann"))
	must(t, err)
	if entry.SignedIn != nil || entry.Asked == nil {
		t.Fatalf("%+v", entry)
	}
	_, err = b.Answer(t.Context(), laptop, entry.Asked.Token, identity.Proof{Method: identity.ByTOTP, Code: codeAt(b.clock)})
	must(t, err)
}
