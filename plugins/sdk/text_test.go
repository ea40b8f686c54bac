package sdk_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

func TestCheckText(t *testing.T) {
	codepoints := social.TextRule{Max: 5, Count: social.Codepoints}
	for name, c := range map[string]struct {
		rule social.TextRule
		own  *social.Limits
		text string
		want string
	}{
		"fits":                  {codepoints, nil, "tides", ""},
		"too long":              {codepoints, nil, "ebbing", "text.too_long"},
		"the account's own":     {codepoints, &social.Limits{MaxText: 6}, "ebbing", ""},
		"the account has less":  {codepoints, &social.Limits{MaxText: 2}, "ebb", "text.too_long"},
		"no limit":              {social.TextRule{Count: social.Codepoints}, nil, strings.Repeat("x", 9999), ""},
		"links have a weight":   {social.TextRule{Max: 5, URLWeight: 4, Count: social.Codepoints}, nil, "https://tide.example.com", ""},
		"of the account's":      {social.TextRule{Max: 5, Count: social.Codepoints}, &social.Limits{URLWeight: 6}, "https://a.com", "text.too_long"},
		"as X counts":           {social.TextRule{Max: 23, Count: social.XWeighted}, nil, "https://example.com/" + strings.Repeat("x", 90), ""},
		"bytes besides":         {social.TextRule{Max: 5, MaxBytes: 6, Count: social.Codepoints}, nil, "éééé", "text.too_many_bytes"},
		"a letter of two marks": {social.TextRule{Max: 1, Count: social.Graphemes}, nil, "e\u0301", ""},
	} {
		err := sdk.CheckText(c.rule, c.own, c.text)
		got := ""
		if err != nil {
			f := social.FaultOf(err, false)
			got = f.Violations[0].Reason
			if f.Kind != social.Invalid || f.Violations[0].Field != "/content/text" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAPI(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		read   social.Kind
		commit social.Kind
	}{
		"made":            {201, `{"id":"7"}`, "", ""},
		"not JSON":        {200, `<html>`, social.Transient, social.Ambiguous},
		"an empty answer": {200, ``, social.Transient, social.Ambiguous},
		"a redirect":      {302, ``, social.Transient, social.Ambiguous},
		"no such token":   {401, `{"error":"lent-token is unknown"}`, social.AuthExpired, social.AuthExpired},
		"down":            {503, ``, social.Transient, social.Ambiguous},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer lent-token" {
				t.Errorf("%s: %v", name, r.Header)
			}
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		t.Cleanup(server.Close)
		call := social.Call{Credential: social.Credential{AccessToken: "lent-token", Public: map[string]string{"instance": strings.TrimPrefix(server.URL, "http://")}}}
		for _, base := range []string{server.URL, sdk.OwnServer} {
			api := sdk.NewAPI("tern", base)
			var read, made social.Ref
			held(t, name, api.Get(t.Context(), call, "/posts", &read), c.read, false)
			held(t, name, api.Commit(t.Context(), call, "/posts", map[string]string{}, &made), c.commit, true)
			if c.read == "" && (read.ID != "7" || made.ID != "7") {
				t.Errorf("%s: %v, %v", name, read, made)
			}
		}
	}
}

func held(t *testing.T, name string, err error, want social.Kind, commit bool) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	f := social.FaultOf(err, commit)
	if err == nil || f.Kind != want || !strings.HasPrefix(f.Key, "tern.") || strings.Contains(f.Upstream, "lent-token") {
		t.Errorf("%s: %+v, want %s", name, f, want)
	}
}

func TestTextPublisher(t *testing.T) {
	about := social.Manifest{
		ID: "example.tern", Name: "Tern", Version: "1.0.0", Egress: []string{"api.tern.example"}, Dedup: social.NoDedup,
		Formats: []social.Format{{ID: "post", Name: "Post", Text: social.TextRule{Max: 5, Count: social.Codepoints}}},
	}
	made := social.Ref{ID: "7"}
	p := sdk.TextPublisher{About: about, Send: func(context.Context, social.PublishRequest) (social.Ref, error) { return made, nil }}
	m, err := sdk.Describe(p)
	if err != nil || m.Can(social.CanFind) || m.Can(social.CanAccounts) || !strings.Contains(string(m.Auth.Form), "password") {
		t.Fatalf("%+v, %v", m, err)
	}
	req := social.PublishRequest{Content: social.Content{Format: "post", Text: "tide"}}
	if step, err := p.Publish(t.Context(), req); err != nil || step.Next == nil || !step.Next.Commit {
		t.Errorf("sent before its turn: %+v, %v", step, err)
	}
	req.Commit = true
	if step, err := p.Publish(t.Context(), req); err != nil || step.Receipt == nil || step.Receipt.Ref.ID != "7" {
		t.Errorf("%+v, %v", step, err)
	}
	made = social.Ref{}
	if _, err := p.Publish(t.Context(), req); err == nil || social.FaultOf(err, true).Kind != social.Ambiguous {
		t.Errorf("a post without a name: %v", err)
	}
	req.Content.Text = "ebbing"
	if _, err := p.Publish(t.Context(), req); err == nil || social.FaultOf(err, true).Kind != social.Invalid {
		t.Errorf("a text that is too long: %v", err)
	}
}
