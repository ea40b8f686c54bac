package sdk_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

func manifest() social.Manifest {
	return social.Manifest{
		ID: "test.plugin", Name: "Plugin", Version: "1.0.0",
		Auth:         social.Auth{Kind: social.AuthOAuth2, OAuth2: &social.OAuth2{AuthorizeURL: "https://{instance}/a", TokenURL: "https://{instance}/t"}},
		Egress:       []string{"{instance}", "*.example.com", "api.example.com", "127.0.0.1:8080"},
		Quotas:       []social.Quota{{ID: "publish", Scope: social.ScopeApp, Limit: 1, Window: time.Hour}},
		Formats:      []social.Format{{ID: "post", Text: social.TextRule{Count: social.Graphemes}, Settings: []byte(`{"type":"object"}`)}},
		Capabilities: []social.Capability{social.CanFind, social.CanReply},
		Dedup:        social.NativeKey, KeyLife: time.Hour,
	}
}

func TestCheckManifest(t *testing.T) {
	if err := sdk.CheckManifest(manifest()); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		field string
		spoil func(*social.Manifest)
	}{
		"id":               {"/id", func(m *social.Manifest) { m.ID = "Not A Domain" }},
		"id without dot":   {"/id", func(m *social.Manifest) { m.ID = "plugin" }},
		"name":             {"/name", func(m *social.Manifest) { m.Name = strings.Repeat("x", 101) }},
		"version":          {"/version", func(m *social.Manifest) { m.Version = "latest" }},
		"homepage":         {"/homepage", func(m *social.Manifest) { m.Homepage = "javascript:alert(1)" }},
		"capability":       {"/capabilities", func(m *social.Manifest) { m.Capabilities = append(m.Capabilities, "A b") }},
		"no sign-in":       {"/auth/kind", func(m *social.Manifest) { m.Auth.Kind = "" }},
		"no OAuth":         {"/auth/oauth2", func(m *social.Manifest) { m.Auth.OAuth2 = nil }},
		"plain HTTP":       {"/auth/oauth2/token_url", func(m *social.Manifest) { m.Auth.OAuth2.TokenURL = "http://example.com/t" }},
		"user in URL":      {"/auth/oauth2/revoke_url", func(m *social.Manifest) { m.Auth.OAuth2.RevokeURL = "https://a:b@example.com" }},
		"form, no connect": {"/auth", func(m *social.Manifest) { m.Auth = social.Auth{Kind: social.AuthForm} }},
		"form, no schema": {"/auth/form", func(m *social.Manifest) {
			m.Auth = social.Auth{Kind: social.AuthForm}
			m.Capabilities = append(m.Capabilities, social.CanConnect)
		}},
		"state version":     {"/state_version", func(m *social.Manifest) { m.StateVersion = -1 }},
		"reads state":       {"/reads_state", func(m *social.Manifest) { m.ReadsState = []int{1 << 40} }},
		"egress":            {"/egress", func(m *social.Manifest) { m.Egress = []string{"https://example.com"} }},
		"egress to all":     {"/egress", func(m *social.Manifest) { m.Egress = []string{"*"} }},
		"quota":             {"/quotas", func(m *social.Manifest) { m.Quotas[0].Limit = 0 }},
		"no formats":        {"/formats", func(m *social.Manifest) { m.Formats = nil }},
		"format twice":      {"/formats/1/id", func(m *social.Manifest) { m.Formats = append(m.Formats, m.Formats[0]) }},
		"count":             {"/formats/0/text/count", func(m *social.Manifest) { m.Formats[0].Text.Count = "" }},
		"negative limit":    {"/formats/0", func(m *social.Manifest) { m.Formats[0].Media.MaxBytes = -1 }},
		"kind":              {"/formats/0/media/kinds", func(m *social.Manifest) { m.Formats[0].Media.Kinds = []social.MediaKind{"hologram"} }},
		"schema":            {"/formats/0/settings", func(m *social.Manifest) { m.Formats[0].Settings = []byte(`[]`) }},
		"dedup":             {"/dedup", func(m *social.Manifest) { m.Dedup = "" }},
		"dedup, no find":    {"/dedup", func(m *social.Manifest) { m.Capabilities = nil }},
		"key without life":  {"/key_life", func(m *social.Manifest) { m.KeyLife = 0 }},
		"negative quietude": {"/settle", func(m *social.Manifest) { m.Settle = -1 }},
	} {
		t.Run(name, func(t *testing.T) {
			m := manifest()
			tt.spoil(&m)
			f := fault.Of(sdk.CheckManifest(m))
			if f == nil || f.Code != fault.Invalid || f.Field != tt.field {
				t.Errorf("%+v, want %s", f, tt.field)
			}
		})
	}
}

type plain struct{ m social.Manifest }

func (p plain) Manifest() social.Manifest { return p.m }
func (plain) Publish(context.Context, social.PublishRequest) (social.Step, error) {
	return social.Step{}, nil
}

type finding struct{ plain }

func (finding) Find(context.Context, social.FindRequest) (social.Finding, error) {
	return social.Finding{}, nil
}

func TestAbilitiesAreReadOffTheMethods(t *testing.T) {
	m := manifest()
	m.Capabilities = []social.Capability{social.CanReply}
	got, err := sdk.Describe(finding{plain{m}})
	if err != nil || !got.Can(social.CanFind) || !got.Can(social.CanReply) || got.Can(social.CanMetrics) {
		t.Errorf("%v, %v", got.Capabilities, err)
	}
	m.Capabilities = []social.Capability{social.CanFind}
	if _, err := sdk.Describe(plain{m}); err == nil {
		t.Error("a capability without its method passed")
	}
	if _, err := sdk.Describe(plain{manifest()}); err == nil {
		t.Error("native keys without Find passed")
	}
}
