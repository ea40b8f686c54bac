package socialtest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/carillonhq/carillon/ports/social"
)

var (
	reverseDNS = regexp.MustCompile(`^[a-z][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+$`)
	semver     = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)
)

// CheckManifest lists what is wrong with the manifest of p, and where it
// promises abilities that p does not have. Empty means valid.
func CheckManifest(p social.Platform) []string {
	m := p.Manifest()
	var flaws []string
	add := func(broken bool, format string, args ...any) {
		if broken {
			flaws = append(flaws, fmt.Sprintf(format, args...))
		}
	}
	add(!reverseDNS.MatchString(m.ID), "id %q is not reverse DNS", m.ID)
	add(!semver.MatchString(m.Version), "version %q is not semantic", m.Version)
	add(m.Name == "", "no name")
	add(len(m.Egress) == 0, "no egress hosts")
	for _, host := range m.Egress {
		add(strings.ContainsAny(host, "/@ "), "egress %q is no host", host)
	}
	add(len(m.Formats) == 0, "no formats")
	for _, f := range m.Formats {
		flaws = append(flaws, checkFormat(f)...)
	}
	for _, q := range m.Quotas {
		add(q.ID == "" || q.Limit <= 0 || q.Window <= 0 || q.Scope == "", "quota %+v is incomplete", q)
	}
	flaws = append(flaws, checkAuth(m.Auth)...)
	return append(flaws, checkAbilities(p, m)...)
}

func checkFormat(f social.Format) []string {
	var flaws []string
	if f.ID == "" || f.Name == "" {
		flaws = append(flaws, fmt.Sprintf("format %+v has no name", f))
	}
	if f.Text.Max > 0 && f.Text.Count == "" {
		flaws = append(flaws, fmt.Sprintf("format %s limits a text without saying how it counts", f.ID))
	}
	if f.Media.Max > 0 && len(f.Media.Kinds) == 0 {
		flaws = append(flaws, fmt.Sprintf("format %s takes media of no kind", f.ID))
	}
	return append(flaws, checkSchema("settings of "+f.ID, f.Settings)...)
}

func checkSchema(name string, schema []byte) []string {
	if schema == nil {
		return nil
	}
	var object struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(schema, &object); err != nil || object.Type != "object" {
		return []string{name + ": not the JSON Schema of an object"}
	}
	return nil
}

func checkAuth(a social.Auth) []string {
	switch a.Kind {
	case social.AuthNone, social.AuthCustom:
		return nil
	case social.AuthForm:
		if a.Form == nil {
			return []string{"sign-in by form without a form"}
		}
		return checkSchema("sign-in form", a.Form)
	case social.AuthOAuth2:
		return checkOAuth2(a.OAuth2)
	}
	return []string{fmt.Sprintf("unknown sign-in %q", a.Kind)}
}

func checkOAuth2(o *social.OAuth2) []string {
	if o == nil {
		return []string{"sign-in by OAuth 2 without its endpoints"}
	}
	var flaws []string
	for name, raw := range map[string]string{"authorize": o.AuthorizeURL, "token": o.TokenURL} {
		u, err := url.Parse(strings.ReplaceAll(raw, "{instance}", "instance.example"))
		if err != nil || u.Path == "" {
			flaws = append(flaws, fmt.Sprintf("%s URL %q is no URL", name, raw))
		}
	}
	if len(o.Scopes) == 0 {
		flaws = append(flaws, "no scopes")
	}
	return flaws
}

func checkAbilities(p social.Platform, m social.Manifest) []string {
	_, find := social.Able[social.Finder](p, social.CanFind)
	_, connect := social.Able[social.Connector](p, social.CanConnect)
	_, list := social.Able[social.Lister](p, social.CanAccounts)
	_, refresh := social.Able[social.Refresher](p, social.CanRefresh)
	_, meter := social.Able[social.Meter](p, social.CanMetrics)
	have := map[social.Capability]bool{
		social.CanFind: find, social.CanConnect: connect, social.CanAccounts: list,
		social.CanRefresh: refresh, social.CanMetrics: meter,
	}
	var flaws []string
	for capability, can := range have {
		if can != m.Can(capability) {
			flaws = append(flaws, fmt.Sprintf("%s: promised %t, able %t", capability, m.Can(capability), can))
		}
	}
	switch {
	case m.Dedup != social.NativeKey && m.Dedup != social.ByFind && m.Dedup != social.NoDedup:
		flaws = append(flaws, fmt.Sprintf("unknown recovery class %q", m.Dedup))
	case m.Dedup != social.NoDedup && !find:
		flaws = append(flaws, "a recovery class without Find")
	case m.Dedup == social.NativeKey && m.KeyLife <= 0:
		flaws = append(flaws, "a native key without its life")
	}
	if connects := m.Auth.Kind == social.AuthForm || m.Auth.Kind == social.AuthCustom; connects && !connect {
		flaws = append(flaws, "a sign-in that needs Connect")
	}
	return flaws
}
