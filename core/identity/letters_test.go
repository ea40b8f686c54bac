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
