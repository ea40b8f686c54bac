// Package social is the port to the places a post can appear.
//
// One plugin speaks for one platform and keeps no state: everything it may
// know of an account arrives in the request. Publishing is a chain of durable
// steps. A plugin takes one bounded step and says what comes next; the host
// owns time, retries and persistence, because only the host survives a crash.
//
// A platform implements Platform and whichever optional abilities it can
// honour; the host reads them off the manifest. Package socialtest holds the
// contract as a test suite. Start with Publisher.
package social

import (
	"context"
	"time"
)

// Platform is what every plugin can do.
type Platform interface {
	// Manifest describes the platform. It is pure: no network, no clock.
	Manifest() Manifest
	Publisher
}

// Publisher puts one object on a platform.
type Publisher interface {
	// Publish takes one step. It returns exactly one of: Step.Next (call
	// again), Step.Receipt (done) or an error that is a *Fault.
	//
	// A step with req.Commit unset must have no effect that a second call
	// could double: uploads, containers, polling. It may be repeated at any
	// time with the same State. Before the irreversible call a plugin returns
	// Next{Commit: true}; the host records that durably and calls once more
	// with req.Commit set. In that step the plugin makes exactly one
	// irreversible request, with no retry beneath it, and answers with a
	// receipt only if it parsed a success. A failure that is not provably
	// without effect is Ambiguous.
	Publish(ctx context.Context, req PublishRequest) (Step, error)
}

// Finder tells whether a commit happened. A platform whose manifest says
// Dedup NativeKey or Find implements it.
type Finder interface {
	// Find looks for what req would have published. It never has an effect.
	Find(ctx context.Context, req FindRequest) (Finding, error)
}

// Connector runs a sign-in that is not plain OAuth 2 (manifest Auth.Kind
// Custom or Form), one screen a call.
type Connector interface {
	Connect(ctx context.Context, req ConnectRequest) (ConnectStep, error)
}

// Lister turns a credential into the accounts it can post to. Every platform
// that signs people in implements it.
type Lister interface {
	Accounts(ctx context.Context, call Call) ([]Account, error)
}

// Refresher renews a credential when the platform's way is not OAuth 2's.
type Refresher interface {
	Refresh(ctx context.Context, call Call) (Credential, error)
}

// Meter reads back how posts did.
type Meter interface {
	// Metrics answers for each ref it knows, in any order, and leaves out the
	// others. One bad ref does not fail the batch.
	Metrics(ctx context.Context, req MetricsRequest) ([]Metrics, error)
}

// Partial is a platform whose type has more methods than this value can be
// asked for, such as one that was read from a file.
type Partial interface {
	// Has reports whether the value has the ability, for one that a method shows.
	Has(c Capability) bool
}

// Able is p as one of the abilities, which c names, if p has it: its type has
// the methods, and it does not say that this value has not.
func Able[A any](p Platform, c Capability) (A, bool) {
	a, ok := p.(A)
	if some, partial := p.(Partial); partial && !some.Has(c) {
		var none A
		return none, false
	}
	return a, ok
}

// A Call is what every request carries. Idempotency is set on each call that
// may have an effect and is the same on every retry of it.
type Call struct {
	Tenant      string // a pseudonym, stable per plugin and useless elsewhere
	Credential  Credential
	App         map[string]string // what the operator configured, such as the instance's client id
	Locale      string
	Idempotency string
}

// A Credential is secret: it is lent for one call and must not be kept or
// logged. Its String form hides it.
//
// Public["instance"] is the host of the account's own server, without a scheme
// and with a port only on loopback: "mastodon.example", "127.0.0.1:19755".
type Credential struct {
	AccessToken string
	Secrets     map[string]string // named secrets of Form and Custom sign-ins
	Public      map[string]string // what is not secret: instance, did, page id
	Scopes      []string
	ExpiresAt   time.Time // zero: never
}

// String implements fmt.Stringer so that a credential in a log line is ***.
func (Credential) String() string { return "***" }

// GoString implements fmt.GoStringer for the same reason.
func (Credential) GoString() string { return "***" }

// An Account is a profile, page or channel that can be posted to. Its ID is a
// name on its instance, such as "1", or, with a colon in it, one that is the
// same everywhere, such as "did:plc:…".
type Account struct {
	ID, Handle, Name, AvatarURL, URL string
	Type                             string            // "profile", "page", "channel"
	Formats                          []string          // subset of the manifest's; empty means all
	Limits                           *Limits           // what this account's instance says, over the manifest's
	Public                           map[string]string // kept with the account, not secret
}

// Limits are an account's own figures. Zero means the manifest's.
type Limits struct {
	MaxText       int   `json:"max_text,omitempty"`
	MaxMedia      int   `json:"max_media,omitempty"`
	MaxMediaBytes int64 `json:"max_media_bytes,omitempty"`
	MaxAlt        int   `json:"max_alt,omitempty"`
	URLWeight     int   `json:"url_weight,omitempty"`
}

// A Ref names an object on a platform.
type Ref struct {
	ID    string            `json:"id"`
	URL   string            `json:"url,omitempty"`
	Extra map[string]string `json:"extra,omitempty"` // cid, urn: what the platform needs besides the id
}

// Content is exactly one object on a platform. Threads and first comments are
// chains that the host drives with ReplyTo and Root.
type Content struct {
	Format    string
	Text      string
	Media     []Media
	Settings  map[string]any // valid against the format's settings schema
	ReplyTo   *Ref
	Root      *Ref // the first of the thread
	Languages []string
	At        time.Time // when the person meant it to appear; deterministic across retries
}

// Media is one attachment. URL answers GET and HEAD with ranges and is valid
// for the duration of the call only.
type Media struct {
	ID            string
	Kind          MediaKind
	MIME          string
	Bytes         int64
	SHA256        string // hexadecimal
	Width, Height int    // pixels, images and video
	Duration      time.Duration
	Alt           string
	URL           string
}

// MediaKind is the coarse type of an attachment.
type MediaKind string

// The media kinds.
const (
	Image MediaKind = "image"
	Video MediaKind = "video"
	Audio MediaKind = "audio"
)

// PublishRequest is one step of one object.
type PublishRequest struct {
	Call    Call
	Account Account
	Content Content
	State   []byte // what the previous step's Next carried; nil on the first
	Commit  bool   // the host has recorded durably that this step is the commit
	Attempt int    // counts commits, from 1
}

// Step is the outcome of Publish: exactly one field is set.
type Step struct {
	Next    *Next
	Receipt *Receipt
}

// Next asks for another call. State is at most MaxState bytes and is persisted
// before that call.
type Next struct {
	State  []byte
	After  time.Duration // do not call earlier
	Commit bool          // the next step is irreversible
	Label  string        // for people, such as "waiting for video processing"
}

// MaxState is the most a step may carry to the next, in bytes.
const MaxState = 16 << 10

// Receipt is the platform's proof of publication.
type Receipt struct {
	Ref         Ref
	Status      Status
	PublishedAt time.Time // by the platform's clock; zero if it does not say
	Warnings    []string  // "alt text dropped"
}

// Status is how public the object is.
type Status string

// The receipt statuses.
const (
	Live       Status = "live"
	Processing Status = "processing" // accepted, not visible yet
	InReview   Status = "in_review"
)

// FindRequest asks whether the commit of an object happened.
type FindRequest struct {
	Call    Call
	Account Account
	Content Content
	State   []byte    // the last persisted state: container id, record key
	Since   time.Time // when the first commit was armed
	// Ref is set only for a platform that CanStatus: the object is known, and
	// the question is how public it is now. Absent means that the platform
	// took it back.
	Ref *Ref
	// Taken are names of objects that stand for other posts. Who goes by what
	// an object looks like passes over them: two posts may say the same.
	Taken []string
	// Restored says that State and the key may not be those of the commit: a
	// restored copy of the database does not know what happened after it was
	// made, and the commit may have been at any time since Since. Who does not
	// find it by them looks for what looks like it.
	Restored bool
}

// Finding is the answer to Find.
type Finding struct {
	Verdict Verdict
	Receipt *Receipt      // set when Found
	After   time.Duration // set when Unsure: ask again after
}

// Verdict is what Find can say.
type Verdict string

// The verdicts. Absent is believed only after the manifest's quiet period.
const (
	Found  Verdict = "found"
	Absent Verdict = "absent"
	Unsure Verdict = "unsure"
)

// ConnectRequest is one screen of a custom sign-in. What a person entered as
// Input["instance"] is a server's host by the time it comes here, in the form
// that Credential.Public has it.
type ConnectRequest struct {
	Call        Call
	State       []byte            // from the previous ConnectStep
	Input       map[string]string // form values, or the callback's query
	RedirectURI string
}

// ConnectStep is the outcome of Connect: one of Redirect, Form and Done is set.
type ConnectStep struct {
	Redirect string      // send the person there
	Form     []byte      // JSON Schema of the next form
	Done     *Credential // signed in
	State    []byte      // sealed by the host until the next call
}

// MetricsRequest asks for a batch of posts.
type MetricsRequest struct {
	Call    Call
	Account Account
	Posts   []Ref
}

// Metrics is what a platform says of one post. Well-known names: impressions,
// reach, likes, comments, shares, saves, clicks.
type Metrics struct {
	Ref    Ref
	Values map[string]float64
	At     time.Time
}
