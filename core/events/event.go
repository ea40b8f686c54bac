package events

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// ID names an event, such as "evt_01jd…". It is the webhook-id of its
// deliveries too, so a receiver that remembers it takes each event once.
type ID string

// NewID returns a fresh event name.
func NewID() ID { return ID(id.New("evt")) }

// Type says what happened, such as "post.published": a noun and a past
// participle or a state. Types are wire contract: add, never rename.
type Type string

// The types the kernel itself emits.
const (
	PostCreated           Type = "post.created"
	PostUpdated           Type = "post.updated"
	PostDeleted           Type = "post.deleted"
	PostScheduled         Type = "post.scheduled"
	PostCanceled          Type = "post.canceled"
	PostPublished         Type = "post.published"
	PostFailed            Type = "post.failed"
	PostMissed            Type = "post.missed"
	PostNeedsReview       Type = "post.needs_review"
	PostAtRisk            Type = "post.at_risk"
	PostRevalidated       Type = "post.revalidated"
	DeliveryUpdated       Type = "delivery.updated"
	ChannelConnected      Type = "channel.connected"
	ChannelUpdated        Type = "channel.updated"
	ChannelDisconnected   Type = "channel.disconnected"
	ChannelNeedsReconnect Type = "channel.needs_reconnect"
	MetricsUpdated        Type = "metrics.updated"
	MediaReady            Type = "media.ready"
	MediaFailed           Type = "media.failed"
	MemberChanged         Type = "member.changed"
	TenantUpdated         Type = "tenant.updated"
	DomainProven          Type = "domain.proven"
	DomainAtRisk          Type = "domain.at_risk"
	DomainQuarantined     Type = "domain.quarantined"
	ExportReady           Type = "export.ready"
	JobUpdated            Type = "job.updated"
	WebhookDisabled       Type = "webhook.disabled"
	PlatformSunset        Type = "platform.sunset"
	PluginAdded           Type = "plugin.added"
	PluginPending         Type = "plugin.pending"
	PluginUpgraded        Type = "plugin.upgraded"
	PluginEnabled         Type = "plugin.enabled"
	PluginDisabled        Type = "plugin.disabled"
	PluginUpdated         Type = "plugin.updated"
	PluginRemoved         Type = "plugin.removed"
	// WebhookTest goes to the one endpoint it was asked for.
	WebhookTest Type = "webhook.test"
)

// Types lists what an endpoint can subscribe to by name, grouped by noun.
func Types() []Type {
	return []Type{
		PostCreated, PostUpdated, PostDeleted, PostScheduled, PostCanceled, PostPublished, PostFailed, PostMissed, PostNeedsReview,
		PostAtRisk, PostRevalidated,
		DeliveryUpdated, MetricsUpdated,
		ChannelConnected, ChannelUpdated, ChannelDisconnected, ChannelNeedsReconnect,
		MediaReady, MediaFailed, MemberChanged, TenantUpdated, DomainProven, DomainAtRisk, DomainQuarantined, ExportReady, JobUpdated, WebhookDisabled,
		PlatformSunset,
		PluginAdded, PluginPending, PluginUpgraded, PluginEnabled, PluginDisabled, PluginUpdated, PluginRemoved,
	}
}

// Valid reports whether t is two or three lower-case words joined by dots.
func (t Type) Valid() bool {
	words := strings.Split(string(t), ".")
	if len(words) < 2 || len(words) > 3 || len(t) > 64 {
		return false
	}
	for _, w := range words {
		if w == "" || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz_") != "" {
			return false
		}
	}
	return true
}

// An Event is something that happened to Subject.
type Event struct {
	ID      ID
	Place   Place
	Tenant  tenants.ID
	Type    Type
	Subject string // the name of the thing, such as "post_01jd…"
	Data    []byte // a JSON object with what is cheap to say; never a secret
	Request Request
	At      time.Time
}

// Seq is the cursor that continues after e.
func (e *Event) Seq() Cursor { return Cursor(e.ID) }

// Request is the API request that made an event happen. Both are empty when
// the kernel acted by itself.
type Request struct {
	ID             string // "req_…"
	IdempotencyKey string
}

// A Draft is an event about to be recorded.
type Draft struct {
	Type    Type
	Subject string
	Data    any // marshals to a JSON object; nil means none
}

// Encode checks d and returns its data as a JSON object of at most 8 KiB.
func (d Draft) Encode() ([]byte, error) {
	if !d.Type.Valid() || id.Prefix(d.Subject) == "" {
		return nil, fault.New(fault.Internal, "event.malformed", "Event %q about %q is malformed.", d.Type, d.Subject)
	}
	if d.Data == nil {
		return []byte("{}"), nil
	}
	raw, err := json.Marshal(d.Data)
	if err != nil || len(raw) > 8<<10 || !bytes.HasPrefix(raw, []byte("{")) {
		return nil, fault.New(fault.Internal, "event.bad_data", "The data of %q is not a small object.", d.Type).Because(err)
	}
	return raw, nil
}

// Envelope is e as the stream, the list and webhooks show it:
//
//	{"id", "object":"event", "type", "timestamp", "tenant",
//	 "data":{"id", "object", …}, "request":{"id", "idempotency_key"}}
//
// The two of request are null when the kernel acted by itself.
func (e *Event) Envelope() ([]byte, error) {
	data := map[string]json.RawMessage{}
	if len(e.Data) > 0 {
		if err := json.Unmarshal(e.Data, &data); err != nil {
			return nil, fault.New(fault.Internal, "event.bad_data", "Event %s is damaged.", e.ID).Because(err)
		}
	}
	data["id"], _ = json.Marshal(e.Subject)
	data["object"], _ = json.Marshal(objectOf(e.Subject))
	return json.Marshal(envelope{
		ID: e.ID, Object: "event", Type: e.Type, Timestamp: e.At.UTC(), Tenant: e.Tenant, Data: data,
		Request: envelopeRequest{orNull(e.Request.ID), orNull(e.Request.IdempotencyKey)},
	})
}

type envelope struct {
	ID        ID                         `json:"id"`
	Object    string                     `json:"object"`
	Type      Type                       `json:"type"`
	Timestamp time.Time                  `json:"timestamp"`
	Tenant    tenants.ID                 `json:"tenant"`
	Data      map[string]json.RawMessage `json:"data"`
	Request   envelopeRequest            `json:"request"`
}

type envelopeRequest struct {
	ID             *string `json:"id"`
	IdempotencyKey *string `json:"idempotency_key"`
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// objects names what a prefix names, as the API's "object" field does.
var objects = map[string]string{
	"ten": "tenant", "usr": "user", "mem": "member", "key": "api_key", "post": "post", "dlv": "delivery", "seg": "segment",
	"att": "attempt", "chn": "channel", "con": "connection", "med": "media", "evt": "event", "whk": "webhook_endpoint",
	"whd": "webhook_delivery", "job": "job",
}

func objectOf(subject string) string {
	prefix := id.Prefix(subject)
	if name, ok := objects[prefix]; ok {
		return name
	}
	return prefix
}

type requestKey struct{}

// WithRequest remembers in ctx the API request that events are recorded with.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// WithRequestID is WithRequest from its parts. idempotencyKey may be empty.
func WithRequestID(ctx context.Context, id, idempotencyKey string) context.Context {
	return WithRequest(ctx, Request{ID: id, IdempotencyKey: idempotencyKey})
}

// RequestOf returns what WithRequest remembered.
func RequestOf(ctx context.Context) Request {
	r, _ := ctx.Value(requestKey{}).(Request)
	return r
}
