// Package payment is the port to payment providers.
//
// A provider's notices arrive late, twice and in any order, so a notice says
// only that something about an object changed: the truth is fetched. Every
// call that makes something carries an idempotency key, and no card number
// ever comes near the kernel, because people pay on the provider's own pages.
//
// A provider implements Provider and Notifier, and Meter if it bills by use.
// Package paymenttest holds the contract as a test suite. Start with Provider.
package payment

import (
	"context"
	"time"
)

// Provider sells subscriptions. Errors are faults (package fault): Invalid,
// Forbidden for a credential, NotFound, Conflict for a key that was used with
// another request, RateLimited and Unavailable with RetryAfter, Canceled.
type Provider interface {
	// Checkout opens a page on which a customer subscribes. The same key and
	// request give the same page.
	Checkout(ctx context.Context, req CheckoutRequest) (Page, error)
	// Portal opens a page on which a customer sees invoices and changes cards
	// and plans.
	Portal(ctx context.Context, customer, returnURL string) (Page, error)
	// Subscription is the state of a subscription now. Notices lead here.
	Subscription(ctx context.Context, id string) (Subscription, error)
}

// Notifier reads what a provider sends.
type Notifier interface {
	// Verify checks a notice's signature over the raw body and reads it. It is
	// pure but for the clock. It returns fault.Unauthenticated for a signature
	// that is missing, wrong or older than the provider's tolerance, and if no
	// secret is configured: an empty secret verifies nothing.
	Verify(header map[string][]string, body []byte) (Notice, error)
}

// Meter bills by use.
type Meter interface {
	// Report adds use to a subscription. The same key is counted once.
	Report(ctx context.Context, use Use) error
}

// CheckoutRequest is a purchase.
type CheckoutRequest struct {
	Idempotency string
	Reference   string // ours: comes back in Subscription.Reference
	Customer    string // the provider's id; empty makes a new customer
	Email       string
	Lines       []Line
	Promotion   bool // let the customer enter a promotion code
	TrialDays   int
	SuccessURL  string
	CancelURL   string
}

// Line is one price and how many of it.
type Line struct {
	Price    string // the provider's id
	Quantity int    // seats; at least 1
}

// Page is where a person continues, until it expires.
type Page struct {
	ID        string
	URL       string // https, on the provider's own host
	ExpiresAt time.Time
}

// Subscription is what a customer has.
type Subscription struct {
	ID, Customer string
	Reference    string // of the checkout
	State        State
	Lines        []Line
	Price        Money // per period, before tax and discounts
	Period       Period
	Start, End   time.Time // of the current period
	EndsAt       time.Time // zero unless it will end
}

// Live reports whether the subscription opens what it pays for.
func (s Subscription) Live() bool { return s.State == Active || s.State == Trial || s.State == PastDue }

// State is where a subscription is in its life.
type State string

// The states. A provider's finer ones are mapped to these.
const (
	Pending  State = "pending" // not paid for the first time yet
	Trial    State = "trial"
	Active   State = "active"
	PastDue  State = "past_due" // a payment failed and is tried again
	Unpaid   State = "unpaid"   // tried often enough
	Canceled State = "canceled"
)

// States lists every state.
func States() []State { return []State{Pending, Trial, Active, PastDue, Unpaid, Canceled} }

// Period is how often a price is paid.
type Period string

// The periods.
const (
	Monthly Period = "month"
	Yearly  Period = "year"
)

// Money is an amount in millionths of a currency's unit.
type Money struct {
	Micros   int64
	Currency string // ISO 4217
}

// Notice says that an object may have changed. Handling one twice, or an older
// one after a newer one, must end in the same state.
type Notice struct {
	ID     string // unique per provider: handled once
	Kind   NoticeKind
	Object string // id of the subscription, invoice or checkout
	At     time.Time
}

// NoticeKind is what a notice is about.
type NoticeKind string

// The kinds. Other is acknowledged and ignored.
const (
	AboutSubscription NoticeKind = "subscription"
	AboutInvoice      NoticeKind = "invoice"
	AboutCheckout     NoticeKind = "checkout"
	Other             NoticeKind = "other"
)

// Use is an amount used.
type Use struct {
	Idempotency  string
	Subscription string
	Meter        string // the provider's name
	Quantity     int64
	At           time.Time
}
