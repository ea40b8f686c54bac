package pigeon_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

func TestHostsTakeTheManifest(t *testing.T) {
	for _, opt := range []pigeon.Options{{}, {BaseURL: "https://pigeon.example/", NativeKey: true, Settle: time.Second}} {
		if _, err := sdk.Describe(pigeon.New(opt)); err != nil {
			t.Error(err)
		}
	}
}

func TestFromEnv(t *testing.T) {
	env := map[string]string{"CARILLON_PIGEON_URL": "http://127.0.0.1:1", "CARILLON_PIGEON_SETTLE": "3s", "CARILLON_PIGEON_NATIVE_KEY": "1"}
	opt, err := pigeon.FromEnv(func(name string) string { return env[name] })
	if err != nil || opt.BaseURL != "http://127.0.0.1:1" || opt.Settle != 3*time.Second || !opt.NativeKey {
		t.Errorf("options = %+v, %v", opt, err)
	}
	env["CARILLON_PIGEON_SETTLE"] = "soon"
	if _, err := pigeon.FromEnv(func(name string) string { return env[name] }); err == nil {
		t.Error("nonsense was accepted")
	}
}

// TestTroublesHaveTheRightKind: what a person provokes with a word in a post
// reaches the publish protocol as what it is.
func TestTroublesHaveTheRightKind(t *testing.T) {
	cases := map[string]struct {
		kind social.Kind
		kept int
	}{
		"#429": {social.RateLimited, 0}, "#expire": {social.AuthExpired, 0}, "#reject": {social.Invalid, 0},
		"#dup": {social.Duplicate, 1}, "#drop-reply": {social.Ambiguous, 1}, "#500-after-accept": {social.Ambiguous, 1},
		"#reset": {social.Ambiguous, 0}, "#503": {social.Ambiguous, 0}, "#garble": {social.Ambiguous, 1},
	}
	for word, c := range cases {
		t.Run(word, func(t *testing.T) {
			h := open(t, false)
			call := h.Call
			call.Idempotency = "key-1"
			req := social.PublishRequest{Call: call, Account: h.Account, Content: social.Content{Text: "Practice " + word}}
			step, err := h.Platform.Publish(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			req.State, req.Commit = step.Next.State, step.Next.Commit
			_, err = h.Platform.Publish(t.Context(), req)
			if f := social.FaultOf(err, true); err == nil || f.Kind != c.kind {
				t.Errorf("fault = %v, want %s", err, c.kind)
			}
			if n := len(h.Server.Objects()); n != c.kept {
				t.Errorf("%d objects, want %d", n, c.kept)
			}
		})
	}
}

func TestAnEmptyPost(t *testing.T) {
	h := open(t, false)
	_, err := h.Platform.Publish(t.Context(), social.PublishRequest{Call: h.Call, Account: h.Account})
	if f := social.FaultOf(err, false); f.Kind != social.Invalid || len(f.Violations) != 1 {
		t.Errorf("fault = %+v", f)
	}
	many := make([]social.Media, network.MaxMedia+1)
	_, err = h.Platform.Publish(t.Context(), social.PublishRequest{Call: h.Call, Account: h.Account, Content: social.Content{Media: many}})
	if f := social.FaultOf(err, false); f.Kind != social.Invalid || f.Violations[0].Field != "/content/media" {
		t.Errorf("fault = %+v", f)
	}
}
