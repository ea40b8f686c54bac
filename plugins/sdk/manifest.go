package sdk

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// What a manifest may hold. A plugin is someone else's program, and everything
// it says here is shown, stored and multiplied by every tenant.
const (
	maxName    = 100
	maxFormats = 50
	maxList    = 200
	maxSchema  = 64 << 10
	maxFigure  = 1 << 40
)

var (
	slugPattern = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`)
	hostPattern = regexp.MustCompile(`^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:\d{1,5})?$`)
)

// CheckManifest says whether a host can rely on m: a fault with code Invalid
// names the first field that it cannot. Plugins are checked by it before they
// serve, and hosts check again what they were told.
func CheckManifest(m social.Manifest) error {
	checks := []func(social.Manifest) error{checkIdentity, checkAuth, checkEgress, checkQuotas, checkStates, checkSettings, checkModel}
	if m.Social() {
		checks = append(checks, checkFormats, checkRecovery)
	}
	for _, check := range checks {
		if err := check(m); err != nil {
			return err
		}
	}
	return nil
}

func invalid(field, format string, args ...any) error {
	return fault.New(fault.Invalid, "manifest.invalid", "%s: %s", field, fmt.Sprintf(format, args...)).On("/" + field)
}

func checkIdentity(m social.Manifest) error {
	switch {
	case !social.IsID(m.ID):
		return invalid("id", "%.40q is not a reverse domain name", m.ID)
	case m.Name == "" || len(m.Name) > maxName:
		return invalid("name", "need 1 to %d bytes", maxName)
	case !social.IsVersion(m.Version):
		return invalid("version", "%.40q is not a semantic version", m.Version)
	case len(m.Summary) > 1000:
		return invalid("summary", "over 1000 bytes")
	case m.Homepage != "" && !isURL(m.Homepage):
		return invalid("homepage", "%.80q is not an https address", m.Homepage)
	case len(m.Capabilities) > maxList:
		return invalid("capabilities", "over %d", maxList)
	}
	for _, c := range m.Capabilities {
		if !slugPattern.MatchString(string(c)) {
			return invalid("capabilities", "%.40q is not a slug", c)
		}
	}
	if len(m.CapabilityScopes) > maxList {
		return invalid("capability_scopes", "over %d", maxList)
	}
	for i, c := range m.CapabilityScopes {
		if !m.Can(c.Capability) || len(c.Scopes) == 0 || len(c.Scopes) > maxList {
			return invalid("capability_scopes", "%d: %.40q needs to be declared, and 1 to %d scopes", i, c.Capability, maxList)
		}
	}
	if m.Can(social.CanStatus) && !m.Can(social.CanFind) {
		return invalid("capabilities", "%q needs %q", social.CanStatus, social.CanFind)
	}
	return nil
}

// maxStateVersion keeps the host's stamp of a state short.
const maxStateVersion = 1 << 30

func checkStates(m social.Manifest) error {
	if m.StateVersion < 0 || m.StateVersion > maxStateVersion {
		return invalid("state_version", "%d is not between 0 and %d", m.StateVersion, maxStateVersion)
	}
	if len(m.ReadsState) > maxList {
		return invalid("reads_state", "over %d", maxList)
	}
	for _, v := range m.ReadsState {
		if v < 0 || v > maxStateVersion {
			return invalid("reads_state", "%d is not between 0 and %d", v, maxStateVersion)
		}
	}
	return nil
}

func checkSettings(m social.Manifest) error {
	if len(m.SettingsSchema) == 0 {
		return nil
	}
	return checkSchema("settings_schema", m.SettingsSchema)
}

func checkAuth(m social.Manifest) error {
	switch m.Auth.Kind {
	case social.AuthNone:
		return nil
	case social.AuthOAuth2:
		return checkOAuth2(m.Auth.OAuth2)
	case social.AuthForm, social.AuthCustom:
		if m.Social() && !m.Can(social.CanConnect) {
			return invalid("auth", "%s needs Connect", m.Auth.Kind)
		}
		if m.Auth.Kind == social.AuthForm || len(m.Auth.Form) > 0 {
			return checkSchema("auth/form", m.Auth.Form)
		}
		return nil
	default:
		return invalid("auth/kind", "%.40q is unknown", m.Auth.Kind)
	}
}

func checkOAuth2(o *social.OAuth2) error {
	if o == nil {
		return invalid("auth/oauth2", "missing")
	}
	for field, u := range map[string]string{"authorize_url": o.AuthorizeURL, "token_url": o.TokenURL} {
		if !isURL(u) {
			return invalid("auth/oauth2/"+field, "%.80q is not an address", u)
		}
	}
	for field, u := range map[string]string{"revoke_url": o.RevokeURL, "register_url": o.RegisterURL} {
		if u != "" && !isURL(u) {
			return invalid("auth/oauth2/"+field, "%.80q is not an address", u)
		}
	}
	if len(o.Scopes) > maxList || len(o.AuthorizeParams) > maxList {
		return invalid("auth/oauth2", "over %d scopes or parameters", maxList)
	}
	return nil
}

// isURL accepts https anywhere, and http on loopback, where the practice
// network lives. "{instance}" stands for a host.
func isURL(s string) bool {
	u, err := url.Parse(strings.ReplaceAll(s, OwnServer, "instance.invalid"))
	if err != nil || u.Host == "" || u.User != nil || len(s) > 2000 {
		return false
	}
	switch host := u.Hostname(); u.Scheme {
	case "https":
		return true
	case "http":
		return host == "localhost" || host == "127.0.0.1" || host == "::1"
	default:
		return false
	}
}

func checkEgress(m social.Manifest) error {
	if len(m.Egress) > maxList {
		return invalid("egress", "over %d hosts", maxList)
	}
	for _, h := range m.Egress {
		if h == OwnServer {
			continue
		}
		switch _, ok := social.ParseHost(h); {
		case !ok && strings.HasPrefix(h, "*."):
			return invalid("egress", "%.80q is every name of a top-level domain", h)
		case !ok || len(h) > 260 || !hostPattern.MatchString(h):
			return invalid("egress", "%.80q is not a host", h)
		}
	}
	return nil
}

func checkQuotas(m social.Manifest) error {
	if len(m.Quotas) > maxList {
		return invalid("quotas", "over %d", maxList)
	}
	for _, q := range m.Quotas {
		known := q.Scope == social.ScopeApp || q.Scope == social.ScopeTenant || q.Scope == social.ScopeAccount
		if !slugPattern.MatchString(q.ID) || !known || q.Limit <= 0 || q.Window <= 0 {
			return invalid("quotas", "%.40q needs a slug, a known scope, a limit and a window", q.ID)
		}
	}
	return nil
}

func checkRecovery(m social.Manifest) error {
	switch {
	case m.Dedup != social.NativeKey && m.Dedup != social.ByFind && m.Dedup != social.NoDedup:
		return invalid("dedup", "%.40q is unknown", m.Dedup)
	case m.Dedup != social.NoDedup && !m.Can(social.CanFind):
		return invalid("dedup", "%s needs Find", m.Dedup)
	case m.Dedup == social.NativeKey && m.KeyLife <= 0:
		return invalid("key_life", "%s must say how long a key is remembered", m.Dedup)
	case m.Settle < 0 || m.KeyLife < 0:
		return invalid("settle", "negative")
	}
	return nil
}

// checkSchema wants a JSON object; whether it is a good schema shows when it
// is compiled.
func checkSchema(field string, b []byte) error {
	var object map[string]json.RawMessage
	if len(b) > maxSchema {
		return invalid(field, "over %d bytes", maxSchema)
	}
	if err := json.Unmarshal(b, &object); err != nil || object == nil {
		return invalid(field, "not a JSON object")
	}
	return nil
}
