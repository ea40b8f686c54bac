package socialtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// maxSteps bounds the preparation of one object.
const maxSteps = 200

// prepare drives req to its commit step, each step twice: the contract says a
// step may be repeated at any time with the same State.
func (h Harness) prepare(t *testing.T, req social.PublishRequest) social.PublishRequest {
	t.Helper()
	before := len(h.Server.Objects())
	for range maxSteps {
		next := h.step(t, req)
		h.step(t, req)
		h.wait(next.After)
		req.State, req.Commit = next.State, next.Commit
		if req.Commit {
			if after := len(h.Server.Objects()); after != before {
				t.Fatalf("preparing put %d objects on the platform", after-before)
			}
			return req
		}
	}
	t.Fatalf("still preparing after %d steps", maxSteps)
	return req
}

func (h Harness) step(t *testing.T, req social.PublishRequest) social.Next {
	t.Helper()
	step, err := h.Platform.Publish(t.Context(), req)
	if err != nil {
		t.Fatalf("a preparing step failed: %v", err)
	}
	if step.Next == nil || step.Receipt != nil {
		t.Fatalf("a preparing step must answer with Next alone, got %+v", step)
	}
	if len(step.Next.State) > social.MaxState {
		t.Fatalf("the state is %d bytes, at most %d fit", len(step.Next.State), social.MaxState)
	}
	if h.leaks(string(step.Next.State)) {
		t.Fatal("the state carries a secret")
	}
	return *step.Next
}

// publish prepares and commits, and expects it to work.
func (h Harness) publish(t *testing.T, req social.PublishRequest) social.Receipt {
	t.Helper()
	return h.receipt(t, h.prepare(t, req))
}

func (h Harness) receipt(t *testing.T, req social.PublishRequest) social.Receipt {
	t.Helper()
	step, err := h.Platform.Publish(t.Context(), req)
	if err != nil {
		t.Fatalf("the commit failed: %v", err)
	}
	if step.Receipt == nil || step.Next != nil {
		t.Fatalf("a commit must answer with a receipt alone, got %+v", step)
	}
	if step.Receipt.Ref.ID == "" || step.Receipt.Status == "" {
		t.Fatalf("the receipt names nothing: %+v", step.Receipt)
	}
	return *step.Receipt
}

// refusal sends req under ctx, expects a fault and checks its form. An error
// that is none counts as the host counts it: as a broken plugin's.
func (h Harness) refusal(t *testing.T, ctx context.Context, req social.PublishRequest) *social.Fault {
	t.Helper()
	step, err := h.Platform.Publish(ctx, req)
	if err == nil {
		t.Fatalf("no fault, but %+v", step)
	}
	f := social.FaultOf(err, req.Commit)
	h.checkFault(t, f)
	return f
}

func (h Harness) checkFault(t *testing.T, f *social.Fault) {
	t.Helper()
	if f.Key == "" || f.Message == "" || f.Source == "" {
		t.Errorf("the fault does not explain itself: %+v", f)
	}
	if len(f.Upstream) > 2<<10 {
		t.Errorf("Upstream is %d bytes, at most 2 KiB fit", len(f.Upstream))
	}
	for name, text := range map[string]string{"Error": f.Error(), "Message": f.Message, "Upstream": f.Upstream, "Err": fmt.Sprint(f.Err)} {
		if h.leaks(text) {
			t.Errorf("%s carries a secret", name)
		}
	}
}

func (h Harness) leaks(text string) bool {
	secrets := []string{h.Call.Credential.AccessToken}
	for _, s := range h.Call.Credential.Secrets {
		secrets = append(secrets, s)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// recover settles a lost commit the way the host does: by the account's
// recovery class, never by hope.
func (h Harness) recover(t *testing.T, req social.PublishRequest, since time.Time) social.Receipt {
	t.Helper()
	req.Attempt++
	switch dedup(h.Platform.Manifest(), h.Account) {
	case social.NativeKey:
		return h.receipt(t, req)
	case social.ByFind:
		if found := h.find(t, req, since); found != nil {
			return *found
		}
		return h.receipt(t, req)
	}
	// Only a person can tell. This one looks, and sends again what is not there.
	if objects := h.Server.Objects(); len(objects) == 1 {
		return social.Receipt{Ref: social.Ref{ID: objects[0].ID}, Status: social.Live}
	}
	return h.receipt(t, req)
}

// unfindable reports whether nothing can be looked up here.
func (h Harness) unfindable() bool {
	return dedup(h.Platform.Manifest(), h.Account) == social.NoDedup
}

// dedup is the account's recovery class: an account may be weaker than its
// platform, never stronger.
func dedup(m social.Manifest, a social.Account) social.Dedup {
	switch weaker := social.Dedup(a.Public["dedup"]); weaker {
	case social.ByFind, social.NoDedup:
		return weaker
	}
	return m.Dedup
}

// find waits out the quiet period and asks until the answer is sure. It
// returns nil for a believable Absent.
func (h Harness) find(t *testing.T, req social.PublishRequest, since time.Time) *social.Receipt {
	t.Helper()
	finder, ok := social.Able[social.Finder](h.Platform, social.CanFind)
	if !ok {
		t.Fatal("the platform cannot find")
	}
	settle := h.Platform.Manifest().Settle
	if settle == 0 {
		settle = social.DefaultSettle
	}
	h.wait(settle)
	for range maxSteps {
		finding, err := finder.Find(t.Context(), findRequest(req, since))
		if err != nil {
			t.Fatalf("find failed: %v", err)
		}
		switch finding.Verdict {
		case social.Found:
			if finding.Receipt == nil || finding.Receipt.Ref.ID == "" {
				t.Fatalf("found without a receipt: %+v", finding)
			}
			return finding.Receipt
		case social.Absent:
			return nil
		case social.Unsure:
			h.wait(max(finding.After, time.Second))
		default:
			t.Fatalf("no verdict: %+v", finding)
		}
	}
	t.Fatalf("still unsure after %d questions", maxSteps)
	return nil
}

func findRequest(req social.PublishRequest, since time.Time) social.FindRequest {
	return social.FindRequest{Call: req.Call, Account: req.Account, Content: req.Content, State: req.State, Since: since}
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
