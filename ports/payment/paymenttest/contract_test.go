package paymenttest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/payment"
	"github.com/carillonhq/carillon/ports/payment/paymenttest"
)

// till is the smallest provider. Each flag breaks one clause.
type till struct {
	secret string
	now    time.Time
	pages  map[string]payment.CheckoutRequest // by key
	sold   map[string]payment.Subscription

	forgetsKey, takesReusedKey, takesNothing, losesReference, plainHTTP, findsAnything, trusts, patient, takesNoSecret, deaf bool
}

func (p *till) Checkout(ctx context.Context, req payment.CheckoutRequest) (payment.Page, error) {
	if ctx.Err() != nil && !p.deaf {
		return payment.Page{}, ctx.Err()
	}
	for _, l := range req.Lines {
		if l.Quantity < 1 && !p.takesNothing {
			return payment.Page{}, fault.New(fault.Invalid, "payment.bad_line", "Choose at least one.")
		}
	}
	if len(req.Lines) == 0 && !p.takesNothing {
		return payment.Page{}, fault.New(fault.Invalid, "payment.no_lines", "Choose something.")
	}
	known, ok := p.pages[req.Idempotency]
	if ok && !reflect.DeepEqual(known, req) && !p.takesReusedKey {
		return payment.Page{}, fault.New(fault.Conflict, "payment.key_reused", "This was asked differently before.")
	}
	p.pages[req.Idempotency] = req
	id := req.Idempotency
	if p.forgetsKey {
		id += strconv.Itoa(len(p.pages)) + p.now.String()
		p.now = p.now.Add(1)
	}
	return p.page(id), nil
}

func (p *till) page(id string) payment.Page {
	scheme := "https"
	if p.plainHTTP {
		scheme = "http"
	}
	return payment.Page{ID: id, URL: scheme + "://pay.example/" + id, ExpiresAt: p.now.Add(time.Hour)}
}

func (p *till) Portal(_ context.Context, customer, _ string) (payment.Page, error) {
	if customer != "cus_1" && !p.findsAnything {
		return payment.Page{}, fault.New(fault.NotFound, "payment.not_found", "There is no such customer.")
	}
	return p.page("portal"), nil
}

func (p *till) Subscription(_ context.Context, id string) (payment.Subscription, error) {
	sub, ok := p.sold[id]
	if !ok && !p.findsAnything {
		return sub, fault.New(fault.NotFound, "payment.not_found", "There is no such subscription.")
	}
	return sub, nil
}

func (p *till) Verify(header map[string][]string, body []byte) (payment.Notice, error) {
	var n payment.Notice
	bad := fault.New(fault.Unauthenticated, "payment.bad_signature", "This notice is not the provider's.")
	if p.secret == "" && !p.takesNoSecret {
		return n, bad
	}
	good := len(header["Sig"]) == 1 && hmac.Equal([]byte(header["Sig"][0]), []byte(p.sign(body)))
	if !good && !p.trusts && p.secret != "" {
		return n, bad
	}
	if err := json.Unmarshal(body, &n); err != nil || p.now.Sub(n.At) > 5*time.Minute && !p.patient {
		return n, bad
	}
	return n, nil
}

func (p *till) sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(p.secret))
	_, _ = mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func (p *till) notice(id string, at time.Time) (map[string][]string, []byte) {
	body := fmt.Appendf(nil, `{"ID":"evt_1","Kind":"subscription","Object":%q,"At":%q}`, id, at.Format(time.RFC3339))
	return map[string][]string{"Sig": {p.sign(body)}}, body
}

func (p *till) pay(page payment.Page) (string, map[string][]string, []byte) {
	req := p.pages[page.ID]
	sub := payment.Subscription{
		ID: "sub_1", Customer: "cus_1", Reference: req.Reference, State: payment.Active, Lines: req.Lines, Period: payment.Monthly,
		Price: payment.Money{Micros: 9e6, Currency: "EUR"}, Start: p.now, End: p.now.AddDate(0, 1, 0),
	}
	if p.losesReference {
		sub.Reference = ""
	}
	p.sold[sub.ID] = sub
	header, body := p.notice(sub.ID, p.now)
	return sub.ID, header, body
}

func subject(p *till) paymenttest.Subject {
	p.secret, p.now = "whsec", time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	p.pages, p.sold = map[string]payment.CheckoutRequest{}, map[string]payment.Subscription{}
	return paymenttest.Subject{
		Provider: p, Pay: p.pay,
		Request: payment.CheckoutRequest{
			Idempotency: "k1", Reference: "ten_1", Email: "a@example.com", SuccessURL: "https://us.example/ok",
			Lines: []payment.Line{{Price: "pro", Quantity: 3}},
		},
		Old: func() (map[string][]string, []byte) { return p.notice("sub_1", p.now.Add(-time.Hour)) },
		Unset: func() payment.Notifier {
			without := *p
			without.secret = ""
			return &without
		},
	}
}

func TestTheContractCanBeMet(t *testing.T) {
	paymenttest.Run(t, func(*testing.T) paymenttest.Subject { return subject(&till{}) })
}

func TestTheContractCatches(t *testing.T) {
	for name, broken := range map[string]till{
		"forgetting keys":           {forgetsKey: true},
		"taking a key twice":        {takesReusedKey: true},
		"selling nothing":           {takesNothing: true},
		"losing who bought":         {losesReference: true},
		"a page without TLS":        {plainHTTP: true},
		"finding what is not there": {findsAnything: true},
		"trusting any notice":       {trusts: true},
		"trusting an old notice":    {patient: true},
		"trusting without a secret": {takesNoSecret: true},
		"going on when canceled":    {deaf: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, check := range paymenttest.Checks() {
				p := broken
				if check.Run(t.Context(), subject(&p)) != nil {
					return
				}
			}
			t.Error("every check passed")
		})
	}
}
