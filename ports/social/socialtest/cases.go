package socialtest

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

func manifest(t *testing.T, h Harness) {
	for _, flaw := range CheckManifest(h.Platform) {
		t.Error(flaw)
	}
	if !sameJSON(h.Platform.Manifest(), h.Platform.Manifest()) {
		t.Error("two calls describe two platforms")
	}
}

func preparingRepeats(t *testing.T, h Harness) {
	req := h.request("key-prepare", "Prepared three times, never sent.")
	req.Content.Media = []social.Media{h.Image}
	for range 3 {
		h.prepare(t, req)
	}
	if n := len(h.Server.Objects()); n != 0 {
		t.Errorf("%d objects without a commit", n)
	}
}

func oneCommit(t *testing.T, h Harness) {
	const text = "Low tide at noon & <bring> boots. https://example.com/tides #harbour"
	receipt := h.publish(t, h.request("key-once", text))
	object := h.only(t)
	if object.ID != receipt.Ref.ID {
		t.Errorf("the receipt names %q, the platform %q", receipt.Ref.ID, object.ID)
	}
	if object.Text != text {
		t.Errorf("text = %q, want %q", object.Text, text)
	}
	if !strings.HasPrefix(receipt.Ref.URL, "http") {
		t.Errorf("no permalink: %q", receipt.Ref.URL)
	}
}

func image(t *testing.T, h Harness) {
	req := h.request("key-image", "With a picture.")
	req.Content.Media = []social.Media{h.Image}
	h.publish(t, req)
	object := h.only(t)
	if len(object.Alts) != 1 || object.Alts[0] != h.Image.Alt {
		t.Errorf("alts = %q, want %q alone", object.Alts, h.Image.Alt)
	}
}

func thread(t *testing.T, h Harness) {
	if !h.Platform.Manifest().Can(social.CanReply) {
		noReply(t, h)
		return
	}
	root := h.publish(t, h.request("key-t1", "One of three."))
	parent := root
	for _, text := range []string{"Two of three.", "Three of three."} {
		req := h.request("key-"+text, text)
		req.Content.ReplyTo, req.Content.Root = &parent.Ref, &root.Ref
		child := h.publish(t, req)
		last := h.object(t, child.Ref.ID)
		if last.ReplyTo != parent.Ref.ID {
			t.Errorf("%q hangs under %q, want %q", text, last.ReplyTo, parent.Ref.ID)
		}
		if last.Root != "" && last.Root != root.Ref.ID {
			t.Errorf("%q belongs to thread %q, want %q", text, last.Root, root.Ref.ID)
		}
		parent = child
	}
}

// noReply: a platform that has no replies says so before it sends anything.
func noReply(t *testing.T, h Harness) {
	t.Helper()
	root := h.publish(t, h.request("key-t1", "Nobody can answer this."))
	req := h.request("key-t2", "This answers.")
	req.Content.ReplyTo, req.Content.Root = &root.Ref, &root.Ref
	if f := h.refusal(t, t.Context(), req); f.Kind != social.Unsupported {
		t.Errorf("kind = %s, want %s", f.Kind, social.Unsupported)
	}
	h.only(t)
}

func tooLong(t *testing.T, h Harness) {
	f := h.refusal(t, t.Context(), h.request("key-long", h.TooLong))
	if f.Kind != social.Invalid {
		t.Errorf("kind = %s, want %s", f.Kind, social.Invalid)
	}
	if len(f.Violations) == 0 || f.Violations[0].Field != "/content/text" {
		t.Errorf("violations = %+v, want one on /content/text", f.Violations)
	}
	h.none(t)
}

func absentBefore(t *testing.T, h Harness) {
	if h.unfindable() {
		return
	}
	req := h.prepare(t, h.request("key-absent", "Never sent."))
	if found := h.find(t, req, time.Now()); found != nil {
		t.Errorf("found %+v before the commit", found)
	}
	h.none(t)
}

func foundAfter(t *testing.T, h Harness) {
	if h.unfindable() {
		return
	}
	req := h.prepare(t, h.request("key-found", "Sent, and looked for: https://example.com/a?b=c&d=1 #harbour"))
	since := time.Now()
	receipt := h.receipt(t, req)
	found := h.find(t, req, since)
	if found == nil {
		t.Fatal("not found")
	}
	if found.Ref.ID != receipt.Ref.ID {
		t.Errorf("found %q, published %q", found.Ref.ID, receipt.Ref.ID)
	}
	h.only(t)
}

// equalTexts: yesterday's post with the same words is no evidence for today's.
func equalTexts(t *testing.T, h Harness) {
	if h.unfindable() {
		return
	}
	h.publish(t, h.request("key-equal-1", "Open until six."))
	h.wait(24 * time.Hour)
	req := h.prepare(t, h.request("key-equal-2", "Open until six."))
	if found := h.find(t, req, time.Now()); found != nil {
		t.Errorf("an older post was taken for this one: %+v", found)
	}
}

// settled: whatever happened to the commit, evidence leaves exactly one object.
func settled(t *testing.T, h Harness, trouble Trouble) {
	req := h.prepare(t, h.request("key-lost", "Sent once, "+string(trouble)))
	since := time.Now()
	h.Server.Trouble(trouble)
	f := h.refusal(t, h.lost(t), req)
	if f.Kind != social.Ambiguous && (trouble != ResetBefore || f.Kind != social.Transient) {
		t.Errorf("kind = %s, want %s", f.Kind, social.Ambiguous)
	}
	receipt := h.recover(t, req, since)
	if object := h.only(t); object.ID != receipt.Ref.ID {
		t.Errorf("recovered %q, live is %q", receipt.Ref.ID, object.ID)
	}
}

// repeatable: a refusal left nothing, and the same commit works later.
func repeatable(t *testing.T, h Harness, trouble Trouble, kind social.Kind) {
	req := h.prepare(t, h.request("key-refused", "Refused once."))
	h.Server.Trouble(trouble)
	f := h.refusal(t, t.Context(), req)
	if f.Kind != kind {
		t.Errorf("kind = %s, want %s", f.Kind, kind)
	}
	if kind == social.RateLimited && f.RetryAfter <= 0 {
		t.Error("a rate limit must say how long to wait")
	}
	h.none(t)
	h.wait(f.RetryAfter)
	if kind == social.AuthExpired && h.Renew != nil {
		req.Call.Credential = h.Renew()
	}
	h.receipt(t, req)
	h.only(t)
}

func deadContext(t *testing.T, h Harness) {
	req := h.prepare(t, h.request("key-dead", "Canceled before it left."))
	since := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := h.refusal(t, ctx, req)
	switch f.Kind {
	case social.Transient:
		h.none(t)
	case social.Ambiguous:
	default:
		t.Errorf("kind = %s, want %s, or %s if provably unsent", f.Kind, social.Ambiguous, social.Transient)
	}
	h.recover(t, req, since)
	h.only(t)
}

func badToken(t *testing.T, h Harness) {
	req := h.prepare(t, h.request("key-token", "Signed by nobody."))
	const bad = "not-a-token-of-this-platform"
	if c := &req.Call.Credential; c.AccessToken != "" {
		c.AccessToken = bad
	} else {
		c.Secrets = maps.Clone(c.Secrets)
		for name := range c.Secrets {
			c.Secrets[name] = bad
		}
	}
	f := h.refusal(t, t.Context(), req)
	if f.Kind != social.AuthExpired && f.Kind != social.AuthRevoked {
		t.Errorf("kind = %s, want %s or %s", f.Kind, social.AuthExpired, social.AuthRevoked)
	}
	if strings.Contains(f.Error()+f.Upstream, bad) {
		t.Error("the fault carries the token")
	}
	h.none(t)
}

func accounts(t *testing.T, h Harness) {
	lister, ok := social.Able[social.Lister](h.Platform, social.CanAccounts)
	if !ok {
		t.Fatal("a platform that signs people in lists their accounts")
	}
	list, err := lister.Accounts(t.Context(), h.Call)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.ID == h.Account.ID {
			return
		}
	}
	t.Errorf("accounts = %+v, want %q among them", list, h.Account.ID)
}

func metrics(t *testing.T, h Harness) {
	meter, ok := social.Able[social.Meter](h.Platform, social.CanMetrics)
	if !ok {
		if h.Platform.Manifest().Can(social.CanMetrics) {
			t.Fatal("the manifest promises metrics")
		}
		return
	}
	receipt := h.publish(t, h.request("key-metrics", "How did this do?"))
	h.wait(time.Hour)
	gone := receipt.Ref
	gone.ID += "0"
	got, err := meter.Metrics(t.Context(), social.MetricsRequest{Call: h.Call, Account: h.Account, Posts: []social.Ref{gone, receipt.Ref}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Ref.ID != receipt.Ref.ID || len(got[0].Values) == 0 {
		t.Errorf("metrics = %+v, want those of %q alone", got, receipt.Ref.ID)
	}
}

func (h Harness) only(t *testing.T) Object {
	t.Helper()
	objects := h.Server.Objects()
	if len(objects) != 1 {
		t.Fatalf("%d objects are live, want exactly one: %+v", len(objects), objects)
	}
	return objects[0]
}

func (h Harness) object(t *testing.T, id string) Object {
	t.Helper()
	for _, o := range h.Server.Objects() {
		if o.ID == id {
			return o
		}
	}
	t.Fatalf("the platform does not have %q", id)
	return Object{}
}

func (h Harness) none(t *testing.T) {
	t.Helper()
	if objects := h.Server.Objects(); len(objects) != 0 {
		t.Fatalf("%d objects are live, want none: %+v", len(objects), objects)
	}
}
