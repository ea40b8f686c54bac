package identity_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

func TestAMailboxIsNotFilled(t *testing.T) {
	w := newWorld()
	w.person(t, "ann@example.test")
	w.deliver(t)
	for range 50 {
		must(t, w.ForgotPassword(t.Context(), thief, "ann@example.test"))
	}
	if got := w.deliver(t); len(got) != 3 {
		t.Errorf("%d letters in one minute, want 3", len(got))
	}
	w.pass(time.Minute)
	must(t, w.ForgotPassword(t.Context(), laptop, "ann@example.test"))
	if got := w.deliver(t); len(got) != 1 {
		t.Errorf("%d letters a minute later, want 1", len(got))
	}
}

func TestLettersSayNothingAStrangerTyped(t *testing.T) {
	w := newWorld()
	must(t, w.Register(t.Context(), thief, identity.Registration{Email: "ann@example.test", Name: "Win http://evil.test now", Password: good}))
	for _, m := range w.deliver(t) {
		if all := m.Subject + m.Text + m.HTML; strings.Contains(all, "evil.test") || !strings.Contains(m.HTML, "#token=cvf_") {
			t.Errorf("%s", all)
		}
	}
}

func TestDeliveryMayBeRepeated(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	w.person(t, "ann@example.test")
	must(t, w.ForgotPassword(ctx, laptop, "ann@example.test"))
	first := w.token(t)
	letters := w.store.Letters()
	must(t, w.post.Deliver(ctx, letters[len(letters)-1]))
	if w.mail[len(w.mail)-1].ID != w.mail[len(w.mail)-2].ID {
		t.Error("a repeated letter has another Message-ID")
	}
	must(t, w.ResetPassword(ctx, laptop, first, other))
	want(t, "an unknown kind", w.post.Deliver(ctx, identity.Letter{Kind: "spam"}), fault.Invalid, "letter.unknown")
}

// Nothing that opens a door is kept as it is.
func TestNoTokenIsKeptInPlainText(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	in := w.person(t, "ann@example.test")
	next, err := w.Refresh(ctx, laptop, in.Refresh)
	must(t, err)
	must(t, w.ForgotPassword(ctx, laptop, "ann@example.test"))
	reset := w.token(t)
	must(t, w.Register(ctx, laptop, identity.Registration{Email: "bob@example.test", Name: "Bob", Password: other}))
	verify := w.token(t)
	rows := fmt.Sprintf("%+v", w.store.Rows())
	for name, s := range map[string]secret.Secret{
		"refresh": in.Refresh, "next refresh": next.Refresh, "access": in.Access, "reset": reset, "verify": verify, "password": good, "other": other,
	} {
		plain := s.Reveal()
		if strings.Contains(rows, plain) || len(plain) > 8 && strings.Contains(rows, plain[4:]) {
			t.Errorf("%s is kept in plain text", name)
		}
	}
	if !strings.Contains(rows, "bob@example.test") {
		t.Error("the rows do not show what they hold")
	}
}

// A link leads to the registration it was asked for, whoever else registered
// the address: else its owner would confirm a stranger's password.
func TestALinkIsNotMovedToAnotherRegistration(t *testing.T) {
	for name, strangerFirst := range map[string]bool{"the stranger comes first": true, "the stranger comes second": false} {
		t.Run(name, func(t *testing.T) {
			w, ctx := newWorld(), t.Context()
			register := func(from identity.Client, password secret.Secret) secret.Secret {
				must(t, w.Register(ctx, from, identity.Registration{Email: "ann@example.test", Name: "Ann", Password: password}))
				w.pass(time.Minute)
				return w.token(t)
			}
			var own secret.Secret
			if strangerFirst {
				register(thief, other)
				own = register(laptop, good)
			} else {
				own = register(laptop, good)
				register(thief, other)
			}
			must(t, w.ResendVerify(ctx, laptop, "ann@example.test"))
			again := w.deliver(t)
			if len(again) != 1 || strings.Contains(again[0].Text, "#token=") || !strings.Contains(again[0].Text, "https://app.test/register") {
				t.Errorf("the letter asked for again: %+v", again)
			}
			must(t, w.Verify(ctx, laptop, own, good))
			w.login(t, "ann@example.test", good)
			_, err := w.Login(ctx, thief, "ann@example.test", other)
			want(t, "the stranger", err, fault.Unauthenticated, "login.failed")
		})
	}
}

// Whoever gets a link can tell by its time whether it is theirs.
func TestALinkSaysWhenItWasAskedFor(t *testing.T) {
	w := newWorld()
	must(t, w.Register(t.Context(), laptop, identity.Registration{Email: "ann@example.test", Name: "Ann", Password: good}))
	asked := w.clock.UTC().Format("2 January 2006 at 15:04 UTC")
	w.pass(time.Hour)
	must(t, w.ResendVerify(t.Context(), laptop, "ann@example.test"))
	for _, m := range w.deliver(t) {
		if !strings.Contains(m.Text, asked) || !strings.Contains(m.HTML, asked) {
			t.Errorf("%s: %s", asked, m.Text)
		}
	}
}

// A registration that is over by the time its letter is written gets no link.
func TestALetterAboutNothingIsNotSent(t *testing.T) {
	w := newWorld()
	must(t, w.Register(t.Context(), laptop, identity.Registration{Email: "ann@example.test", Name: "Ann", Password: good}))
	l := w.store.Letters()[0]
	l.Pending = "reg_gone"
	must(t, w.post.Deliver(t.Context(), l))
	if len(w.mail) != 0 {
		t.Errorf("mailed: %+v", w.mail)
	}
}
