// Package paymenttest is the contract of package payment as a test suite.
// Start with Run; Checks is the same for those who want to see it fail.
package paymenttest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/payment"
)

// Provider is everything a provider under test can do.
type Provider interface {
	payment.Provider
	payment.Notifier
}

// Subject is a provider under test.
type Subject struct {
	Provider
	Request payment.CheckoutRequest // a purchase it can serve
	// Pay completes a checkout as the customer would and returns the
	// subscription's id and the notice that the provider sends.
	Pay func(page payment.Page) (subscription string, header map[string][]string, body []byte)
	// Old returns a notice with a good signature from an hour ago.
	Old func() (header map[string][]string, body []byte)
	// Unset returns the provider without a webhook secret.
	Unset func() payment.Notifier
}

// Check is one clause of the contract.
type Check struct {
	Name string
	Run  func(ctx context.Context, s Subject) error
}

// Run holds a provider to the contract. open returns a fresh Subject.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, check := range Checks() {
		t.Run(check.Name, func(t *testing.T) {
			if err := check.Run(t.Context(), open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Checks lists the clauses.
func Checks() []Check {
	return []Check{
		{"a repeated key opens one page", sameKey},
		{"a key with another request conflicts", reusedKey},
		{"a purchase without a line is refused", noLines},
		{"what was bought is there", bought},
		{"the portal is the provider's own page", portal},
		{"what is not there is not found", missing},
		{"a notice is read", notice},
		{"a notice that was touched is refused", touched},
		{"an old notice is refused", old},
		{"without a secret nothing is verified", unset},
		{"a canceled call stops", canceled},
	}
}

func want(err error, code fault.Code) error {
	if !fault.Is(err, code) {
		return fmt.Errorf("err = %w, want %s", err, code)
	}
	return nil
}

func sameKey(ctx context.Context, s Subject) error {
	one, err := s.Checkout(ctx, s.Request)
	if err != nil {
		return err
	}
	two, err := s.Checkout(ctx, s.Request)
	if err == nil && one != two {
		return fmt.Errorf("one key opened %s and %s", one.ID, two.ID)
	}
	if err := errors.Join(err, page(one)); err != nil {
		return err
	}
	s.Request.Idempotency += "-another"
	three, err := s.Checkout(ctx, s.Request)
	if err == nil && one.ID == three.ID {
		return errors.New("two keys opened one page")
	}
	return err
}

func page(p payment.Page) error {
	if u, err := url.Parse(p.URL); err != nil || u.Scheme != "https" || u.Host == "" || p.ID == "" {
		return fmt.Errorf("page %+v is nowhere to send a person", p)
	}
	return nil
}

func reusedKey(ctx context.Context, s Subject) error {
	if _, err := s.Checkout(ctx, s.Request); err != nil {
		return err
	}
	s.Request.Reference += "-another"
	_, err := s.Checkout(ctx, s.Request)
	return want(err, fault.Conflict)
}

func noLines(ctx context.Context, s Subject) error {
	lines := s.Request.Lines
	for _, bad := range [][]payment.Line{nil, {{Price: lines[0].Price}}, {{Price: lines[0].Price, Quantity: -1}}} {
		s.Request.Lines = bad
		if _, err := s.Checkout(ctx, s.Request); !fault.Is(err, fault.Invalid) {
			return fmt.Errorf("%v: %w", bad, want(err, fault.Invalid))
		}
	}
	return nil
}

func pay(ctx context.Context, s Subject) (payment.Subscription, map[string][]string, []byte, error) {
	p, err := s.Checkout(ctx, s.Request)
	if err != nil {
		return payment.Subscription{}, nil, nil, err
	}
	id, header, body := s.Pay(p)
	sub, err := s.Subscription(ctx, id)
	return sub, header, body, err
}

func bought(ctx context.Context, s Subject) error {
	sub, _, _, err := pay(ctx, s)
	switch {
	case err != nil:
		return err
	case sub.Reference != s.Request.Reference || !slices.Equal(sub.Lines, s.Request.Lines) || sub.Customer == "":
		return fmt.Errorf("bought %+v, got %+v", s.Request, sub)
	case !slices.Contains(payment.States(), sub.State) || !sub.Live() || !sub.End.After(sub.Start):
		return fmt.Errorf("a paid subscription is %s from %s to %s", sub.State, sub.Start, sub.End)
	case sub.Price.Micros <= 0 || len(sub.Price.Currency) != 3:
		return fmt.Errorf("a paid subscription costs %+v", sub.Price)
	}
	return nil
}

func portal(ctx context.Context, s Subject) error {
	sub, _, _, err := pay(ctx, s)
	if err != nil {
		return err
	}
	p, err := s.Portal(ctx, sub.Customer, s.Request.SuccessURL)
	if err != nil {
		return err
	}
	return page(p)
}

func missing(ctx context.Context, s Subject) error {
	_, err := s.Subscription(ctx, "no-such-subscription")
	_, errPortal := s.Portal(ctx, "no-such-customer", s.Request.SuccessURL)
	return errors.Join(want(err, fault.NotFound), want(errPortal, fault.NotFound))
}

func notice(ctx context.Context, s Subject) error {
	sub, header, body, err := pay(ctx, s)
	if err != nil {
		return err
	}
	n, err := s.Verify(header, body)
	if err == nil && (n.ID == "" || n.Kind != payment.AboutSubscription || n.Object != sub.ID || n.At.IsZero()) {
		return fmt.Errorf("read %+v of a notice about %s", n, sub.ID)
	}
	return err
}

func touched(ctx context.Context, s Subject) error {
	_, header, body, err := pay(ctx, s)
	if err != nil {
		return err
	}
	for i := range body {
		changed := slices.Clone(body)
		changed[i] ^= 1
		if _, err := s.Verify(header, changed); !fault.Is(err, fault.Unauthenticated) {
			return fmt.Errorf("byte %d: %w", i, want(err, fault.Unauthenticated))
		}
	}
	_, err = s.Verify(nil, body)
	return want(err, fault.Unauthenticated)
}

func old(_ context.Context, s Subject) error {
	_, err := s.Verify(s.Old())
	return want(err, fault.Unauthenticated)
}

func unset(ctx context.Context, s Subject) error {
	_, header, body, err := pay(ctx, s)
	if err != nil {
		return err
	}
	_, err = s.Unset().Verify(header, body)
	return want(err, fault.Unauthenticated)
}

func canceled(ctx context.Context, s Subject) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	_, err := s.Checkout(ctx, s.Request)
	return want(err, fault.Canceled)
}
