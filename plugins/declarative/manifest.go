package declarative

import (
	"encoding/json"
	"net/url"

	"github.com/carillonhq/carillon/ports/social"
)

// describe is the file as a manifest. Capabilities that a method shows are
// added by the SDK.
func (p *plugin) describe() social.Manifest {
	file := p.file
	m := social.Manifest{
		ID: file.ID, Name: file.Name, Version: file.Version, Summary: file.Summary, Homepage: file.Homepage,
		Auth:           social.Auth{Kind: social.AuthKind(file.Auth.Kind), Form: file.Auth.Form.raw},
		SettingsSchema: file.Settings.raw, Dedup: social.NoDedup, Settle: file.Settle, APIVersion: file.APIVersion, Sunset: file.Sunset,
		Capabilities: []social.Capability{social.CanAccounts},
	}
	if file.Dedup == "find" {
		m.Dedup = social.ByFind
	}
	if o := file.Auth.OAuth2; o != nil {
		m.Auth.OAuth2 = &social.OAuth2{
			AuthorizeURL: o.AuthorizeURL, TokenURL: o.TokenURL, RevokeURL: o.RevokeURL, RegisterURL: o.RegisterURL, Scopes: o.Scopes,
			PKCE: o.PKCE, AuthorizeParams: o.AuthorizeParams, BasicClientAuth: o.BasicClientAuth, SingleUseRefresh: o.SingleUseRefresh,
		}
	}
	for _, c := range []social.Capability{social.CanReply, social.CanConnect, social.CanFind, social.CanMetrics} {
		if p.Has(c) {
			m.Capabilities = append(m.Capabilities, c)
		}
	}
	for _, host := range file.Egress {
		m.Egress = append(m.Egress, p.moved(host))
	}
	for _, q := range file.Quotas {
		m.Quotas = append(m.Quotas, social.Quota{ID: q.ID, Scope: social.QuotaScope(q.Scope), Limit: q.Limit, Window: q.Window})
	}
	for _, f := range file.Formats {
		m.Formats = append(m.Formats, formatOf(f))
	}
	return m
}

// moved is the host that stands in for host.
func (p *plugin) moved(host string) string {
	if to, ok := p.upstream[host]; ok {
		if u, err := url.Parse(to); err == nil {
			return u.Host
		}
	}
	return host
}

func formatOf(f Format) social.Format {
	kinds := make([]social.MediaKind, len(f.Media.Kinds))
	for i, k := range f.Media.Kinds {
		kinds[i] = social.MediaKind(k)
	}
	return social.Format{
		ID: f.ID, Name: f.Name, Settings: f.Settings.raw, Scopes: f.Scopes,
		Text: social.TextRule{
			Max: f.Text.Max, Count: social.Count(f.Text.Count), MaxBytes: f.Text.MaxBytes, URLWeight: f.Text.URLWeight, Optional: f.Text.Optional,
		},
		Media: social.MediaRule{
			Kinds: kinds, Max: f.Media.Max, MIMEs: f.Media.MIMEs, MaxBytes: f.Media.MaxBytes,
			MaxWidth: f.Media.MaxWidth, MaxHeight: f.Media.MaxHeight, MaxAlt: f.Media.MaxAlt,
		},
	}
}

// form is as much of a JSON Schema as a sign-in is held to here.
type form struct {
	Required   []string `json:"required"`
	Properties map[string]struct {
		Title     string `json:"title"`
		Format    string `json:"format"`
		Pattern   string `json:"pattern"`
		MaxLength int    `json:"maxLength"`
	} `json:"properties"`
}

func readForm(raw []byte) (f form, err error) {
	err = json.Unmarshal(raw, &f)
	return f, err
}
