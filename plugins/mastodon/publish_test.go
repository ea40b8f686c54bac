package mastodon_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/mastodon"
	"github.com/carillonhq/carillon/plugins/mastodon/mastodonfake"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

// TestTheKeyAloneDoublesWhereItIsIgnored shows that the account's recovery
// class is what keeps such servers safe, and that this suite would notice.
func TestTheKeyAloneDoublesWhereItIsIgnored(t *testing.T) {
	h := open(t, mastodonfake.Options{IgnoreKey: true, Version: "0.17.0"})
	if got := h.Account.Public["dedup"]; got != string(social.ByFind) {
		t.Fatalf("dedup = %q", got)
	}
	req := prepared(t, h, social.Content{Text: "Once."})
	h.Server.Trouble(socialtest.FailAfterAccept)
	if _, err := h.Platform.Publish(t.Context(), req); err == nil {
		t.Fatal("no fault")
	}
	if _, err := h.Platform.Publish(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if n := len(h.Server.Objects()); n != 2 {
		t.Errorf("%d objects, want the two that a repeated key leaves here", n)
	}
}

// prepared drives a post to its commit step.
func prepared(t *testing.T, h socialtest.Harness, c social.Content) social.PublishRequest {
	t.Helper()
	call := h.Call
	call.Idempotency = "key-1"
	req := social.PublishRequest{Call: call, Account: h.Account, Content: c, Attempt: 1}
	for range 50 {
		step, err := h.Platform.Publish(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		req.State, req.Commit = step.Next.State, step.Next.Commit
		if req.Commit {
			return req
		}
	}
	t.Fatal("never ready")
	return req
}

func TestSettingsReachTheServer(t *testing.T) {
	now := time.Now()
	fake := mastodonfake.New(mastodonfake.Options{Now: func() time.Time { return now }})
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	h := socialtest.Harness{
		Platform: mastodon.New(mastodon.Options{HTTP: server.Client()}), Account: social.Account{ID: "1"},
		Call: social.Call{Credential: social.Credential{AccessToken: fake.Token, Public: map[string]string{"instance": server.URL}}},
	}
	req := prepared(t, h, social.Content{
		Text: "Salut", Languages: []string{"fr", "en"},
		Settings: map[string]any{"visibility": "unlisted", "spoiler_text": "boats"},
	})
	if _, err := h.Platform.Publish(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	got := fake.Statuses()[0]
	if got.Visibility != "unlisted" || got.Spoiler != "boats" || got.Language != "fr" {
		t.Errorf("status = %+v", got)
	}
}

func TestLimitsComeFromTheInstance(t *testing.T) {
	h := open(t, mastodonfake.Options{MaxText: 5000})
	if l := h.Account.Limits; l == nil || l.MaxText != 5000 || l.URLWeight != 23 || l.MaxMedia != 4 {
		t.Fatalf("limits = %+v", h.Account.Limits)
	}
	req := prepared(t, h, social.Content{Text: strings.Repeat("a", 4000)})
	if _, err := h.Platform.Publish(t.Context(), req); err != nil {
		t.Error(err)
	}
}

func TestContentRules(t *testing.T) {
	h := open(t, mastodonfake.Options{})
	video, picture := social.Media{Kind: social.Video}, social.Media{Kind: social.Image}
	cases := map[string]struct {
		content social.Content
		field   string
	}{
		"nothing":             {social.Content{}, "/content/text"},
		"the warning counts":  {social.Content{Text: strings.Repeat("a", 490), Settings: map[string]any{"spoiler_text": "eleven more"}}, "/content/text"},
		"five pictures":       {social.Content{Text: "x", Media: []social.Media{picture, picture, picture, picture, picture}}, "/content/media"},
		"a video and another": {social.Content{Text: "x", Media: []social.Media{video, picture}}, "/content/media"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := h.Platform.Publish(t.Context(), social.PublishRequest{Call: h.Call, Account: h.Account, Content: c.content})
			f := social.FaultOf(err, false)
			if f.Kind != social.Invalid || len(f.Violations) != 1 || f.Violations[0].Field != c.field {
				t.Errorf("fault = %+v", f)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	cases := map[string]struct {
		status int
		body   string
		kind   social.Kind
	}{
		"revoked":        {401, `{"error":"The access token was revoked"}`, social.AuthRevoked},
		"expired":        {401, `{"error":"The access token expired"}`, social.AuthExpired},
		"scope":          {403, `{"error":"This action is outside the authorized scopes"}`, social.Permission},
		"disabled":       {403, `{"error":"Your login is currently disabled"}`, social.Policy},
		"no parent":      {404, `{"error":"Record not found"}`, social.NotFound},
		"processing":     {422, `{"error":"Cannot attach files that have not finished processing. Try again in a moment!"}`, social.Transient},
		"validation":     {422, `{"error":"Validation failed: Text character limit of 500 exceeded"}`, social.Invalid},
		"too many":       {429, `{"error":"Too many requests"}`, social.RateLimited},
		"bad gateway":    {502, `<html>`, social.Ambiguous},
		"maintenance":    {503, `{"error":"Service Unavailable"}`, social.Ambiguous},
		"moved":          {307, ``, social.Ambiguous},
		"empty success":  {200, ``, social.Ambiguous},
		"half a success": {200, `{"id":"1`, social.Ambiguous},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			call := social.Call{Credential: social.Credential{AccessToken: "secret", Public: map[string]string{"instance": server.URL}}}
			_, err := mastodon.New(mastodon.Options{HTTP: server.Client()}).
				Publish(t.Context(), social.PublishRequest{Call: call, State: []byte(`{"key":"k"}`), Commit: true, Content: social.Content{Text: "x"}})
			var f *social.Fault
			if !errors.As(err, &f) || f.Kind != c.kind {
				t.Errorf("fault = %v, want %s", err, c.kind)
			}
		})
	}
}

func TestNobodyThereIsProvablyUnsent(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	call := social.Call{Credential: social.Credential{Public: map[string]string{"instance": server.URL}}}
	_, err := mastodon.New(mastodon.Options{HTTP: &http.Client{}}).
		Publish(t.Context(), social.PublishRequest{Call: call, State: []byte(`{"key":"k"}`), Commit: true, Content: social.Content{Text: "x"}})
	if f := social.FaultOf(err, true); f.Kind != social.Transient {
		t.Errorf("kind = %s, want %s", f.Kind, social.Transient)
	}
}
