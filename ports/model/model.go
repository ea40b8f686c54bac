// Package model is the port to AI vendors: text, images, speech, video,
// training.
//
// All of it is one call that takes one durable step, because a training run of
// an hour and a caption of a second fail in the same ways: the vendor is paid
// when the work is submitted, and the reply can be lost. So submitting is a
// commit step that the host records first, and everything around it may be
// repeated. Costs are integers and are stated before they arise.
//
// A vendor implements Vendor and whichever optional abilities its manifest
// names. Package modeltest holds the contract as a test suite. Start with
// Vendor.
package model

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Vendor is what every plugin can do. Errors are faults (package fault):
// Invalid for a request no retry can help, Unauthenticated and Forbidden for a
// credential, Quota if the work would cost more than the request allows or the
// account has left, RateLimited and Unavailable with RetryAfter, Canceled when
// ctx ends. In a commit step an error that does not prove that nothing was
// bought also wraps ErrUnknown.
type Vendor interface {
	// Models returns a page of the catalogue with prices, as the credential
	// sees it. It has no effect.
	Models(ctx context.Context, req ModelsRequest) (Catalog, error)
	// Run takes one step and hands what it makes to emit, in order; an error
	// of emit ends the step and is returned. It returns exactly one of
	// Step.Next, Step.Done and an error.
	//
	// A step with req.Commit unset costs nothing and may be repeated with the
	// same State. A vendor that charges answers Next{Commit: true} before it
	// submits; the host records that and calls once more with req.Commit set.
	// That step makes exactly one paid request with no retry beneath it.
	Run(ctx context.Context, req RunRequest, emit func(Event) error) (Step, error)
}

// Estimator prices a request when a price table is not enough.
type Estimator interface {
	// Estimate has no effect and costs nothing. Max is what Run will not exceed.
	Estimate(ctx context.Context, req RunRequest) (Estimate, error)
}

// Canceler stops work that was submitted.
type Canceler interface {
	// Cancel stops the job in req.State. It may be repeated.
	Cancel(ctx context.Context, req RunRequest) (Cancellation, error)
}

// ErrUnknown marks the error of a commit step that may have been applied: the
// host finds out, and never repeats it blindly.
var ErrUnknown = errors.New("the request may have been applied")

// A Call is what every request carries. Idempotency is the same on every retry
// of a commit.
type Call struct {
	Tenant      string // a pseudonym, stable per plugin and useless elsewhere
	Credential  Credential
	Locale      string
	Idempotency string
}

// BaseURL is the member of Credential.Public with the address of the vendor's
// API, if it is not the usual one. A vendor that takes one lists "{instance}"
// in its manifest's Egress.
const BaseURL = "base_url"

// A Credential is secret: it is lent for one call and must not be kept or
// logged. Its String form hides it.
type Credential struct {
	Secrets map[string]string
	Public  map[string]string // region, organisation
}

// String implements fmt.Stringer so that a credential in a log line is ***.
func (Credential) String() string { return "***" }

// GoString implements fmt.GoStringer for the same reason.
func (Credential) GoString() string { return "***" }

// Task is what a model is asked to do.
type Task string

// The tasks.
const (
	Chat   Task = "chat"
	Embed  Task = "embed"
	Image  Task = "image"
	Speech Task = "speech"
	Video  Task = "video"
	Train  Task = "train"
	// Moderate asks whether Texts and Inputs may be said. It answers with one
	// artifact of MIME application/json for each text: Verdict.
	Moderate Task = "moderate"
)

// Verdict is what Moderate says of one text, as JSON.
type Verdict struct {
	Flagged    bool               `json:"flagged"`
	Categories map[string]float64 `json:"categories,omitempty"` // of those that apply or might, 0 to 1
}

// RunRequest is one step of one piece of work.
type RunRequest struct {
	Call     Call
	Task     Task
	Model    string         // a Model.ID
	Params   map[string]any // valid against the model's Params schema
	Messages []Message      // Chat
	Inputs   []Media        // pictures, sound, a training set
	Texts    []string       // Embed, Speech, Moderate; the prompt of Image
	State    []byte         // what the previous step's Next carried; nil on the first
	Commit   bool           // the host has recorded durably that this step is the commit
	Attempt  int            // counts commits, from 1
	Max      Money          // refuse rather than exceed; zero Currency: no limit
	Output   string         // PUT an artifact above MaxInline there
}

// Prompt is what a request that is no conversation asks for: its first text, or
// else the last thing a person said. It is trimmed; empty if there is neither.
func (r RunRequest) Prompt() string {
	if len(r.Texts) > 0 {
		return strings.TrimSpace(r.Texts[0])
	}
	for i := len(r.Messages) - 1; i >= 0; i-- {
		if text := strings.TrimSpace(r.Messages[i].Text()); r.Messages[i].Role == "user" && text != "" {
			return text
		}
	}
	return ""
}

// MaxState is the most a step may carry to the next, and MaxInline the largest
// artifact that travels in an event, in bytes.
const (
	MaxState  = 16 << 10
	MaxInline = 1 << 20
)

// Message is one turn of a conversation.
type Message struct {
	Role  string // "system", "user", "assistant", "tool"
	Parts []Part
}

// Text is what its parts say, together.
func (m Message) Text() string {
	var b strings.Builder
	for _, p := range m.Parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

// Part is a piece of a message: exactly one field is set.
type Part struct {
	Text       string
	Media      *Media
	ToolCall   []byte // JSON
	ToolResult []byte // JSON
}

// Media is an input. URL answers GET and HEAD with ranges for the duration of
// the call only.
type Media struct {
	MIME, SHA256, URL string
	Bytes             int64
}

// Event is something a step made: exactly one of Delta, Artifact and Progress
// is set, or none and only Usage. Usage is cumulative; the last one counts,
// also if the step fails afterwards.
type Event struct {
	Delta    *Delta
	Artifact *Artifact
	Progress *Progress
	Usage    *Usage
}

// Delta is more of a text.
type Delta struct {
	Text     string
	ToolCall []byte // JSON, whole
	Index    int    // of the variant, from 0
}

// Artifact is a finished thing: exactly one of Data (at most MaxInline),
// SourceURL (the host fetches it), Vector and Uploaded is set.
type Artifact struct {
	ID, MIME  string
	Data      []byte
	SourceURL string
	Vector    []float32
	Uploaded  bool              // it was PUT to RunRequest.Output
	Meta      map[string]string // seed, revised prompt, provenance
}

// Progress is how far the work is.
type Progress struct {
	Percent int // 0 to 100
	Stage   string
	Left    time.Duration // zero if unknown
}

// Step is the outcome of Run: exactly one field is set.
type Step struct {
	Next *Next
	Done *Done
}

// Next asks for another call. State is persisted before it.
type Next struct {
	State  []byte
	After  time.Duration // do not call earlier
	Commit bool          // the next step is paid for
	Label  string        // for people, such as "queued"
}

// Done ends the work.
type Done struct {
	Reason   string // "stop", "length", "filtered"
	Model    string // what answered, if the vendor says
	VendorID string
	Usage    Usage // what was used in all
}
