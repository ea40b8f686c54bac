package wire

import (
	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/ports/social"
)

// FromManifest puts a manifest on the wire.
func FromManifest(m social.Manifest) *pb.Manifest {
	out := &pb.Manifest{
		Id: m.ID, Name: m.Name, Version: m.Version, Summary: m.Summary, Homepage: m.Homepage,
		Auth: fromAuth(m.Auth), Egress: m.Egress, Quotas: each(m.Quotas, fromQuota),
		Capabilities: each(m.Capabilities, func(c social.Capability) string { return string(c) }),
		ApiVersion:   m.APIVersion, Sunset: fromTime(m.Sunset),
		StateVersion: int64(m.StateVersion), ReadsState: each(m.ReadsState, func(v int) int64 { return int64(v) }),
		SettingsSchema: m.SettingsSchema, CapabilityScopes: each(m.CapabilityScopes, fromCapabilityScopes),
		Kind: &pb.Manifest_Social{Social: &pb.SocialManifest{
			Formats: each(m.Formats, fromFormat), Dedup: dedups.number[m.Dedup],
			Settle: fromDuration(m.Settle), KeyLife: fromDuration(m.KeyLife),
		}},
	}
	switch ai := fromModelManifest(m.Model); {
	case m.Social():
		out.ModelBesides = ai
	default:
		out.Kind = &pb.Manifest_Model{Model: ai}
	}
	return out
}

// ToManifest takes a manifest from the wire. Whether it makes sense is
// for sdk.CheckManifest to say.
func ToManifest(m *pb.Manifest) social.Manifest {
	s, ai := m.GetSocial(), m.GetModelBesides()
	if m.GetModel() != nil {
		ai = m.GetModel()
	}
	return social.Manifest{
		ID: m.GetId(), Name: m.GetName(), Version: m.GetVersion(), Summary: m.GetSummary(), Homepage: m.GetHomepage(),
		Auth: toAuth(m.GetAuth()), Egress: m.GetEgress(), Quotas: each(m.GetQuotas(), toQuota),
		Capabilities: each(m.GetCapabilities(), func(c string) social.Capability { return social.Capability(c) }),
		APIVersion:   m.GetApiVersion(), Sunset: toTime(m.GetSunset()),
		StateVersion: int(m.GetStateVersion()), ReadsState: each(m.GetReadsState(), func(v int64) int { return int(v) }),
		SettingsSchema: m.GetSettingsSchema(), CapabilityScopes: each(m.GetCapabilityScopes(), toCapabilityScopes),
		Formats: each(s.GetFormats(), toFormat), Dedup: dedups.word[s.GetDedup()],
		Settle: toDuration(s.GetSettle()), KeyLife: toDuration(s.GetKeyLife()),
		Model: toModelManifest(ai),
	}
}

func fromCapabilityScopes(c social.CapabilityScopes) *pb.CapabilityScopes {
	return &pb.CapabilityScopes{Capability: string(c.Capability), Scopes: c.Scopes}
}

func toCapabilityScopes(c *pb.CapabilityScopes) social.CapabilityScopes {
	return social.CapabilityScopes{Capability: social.Capability(c.GetCapability()), Scopes: c.GetScopes()}
}

var dedups = words(map[social.Dedup]pb.SocialManifest_Dedup{
	social.NativeKey: pb.SocialManifest_DEDUP_NATIVE_KEY,
	social.ByFind:    pb.SocialManifest_DEDUP_FIND,
	social.NoDedup:   pb.SocialManifest_DEDUP_NONE,
})

var authKinds = words(map[social.AuthKind]pb.Auth_Kind{
	social.AuthNone:   pb.Auth_KIND_NONE,
	social.AuthOAuth2: pb.Auth_KIND_OAUTH2,
	social.AuthForm:   pb.Auth_KIND_FORM,
	social.AuthCustom: pb.Auth_KIND_CUSTOM,
})

func fromAuth(a social.Auth) *pb.Auth {
	return &pb.Auth{Kind: authKinds.number[a.Kind], Oauth2: fromOAuth2(a.OAuth2), FormSchema: a.Form}
}

func toAuth(a *pb.Auth) social.Auth {
	return social.Auth{Kind: authKinds.word[a.GetKind()], OAuth2: toOAuth2(a.GetOauth2()), Form: a.GetFormSchema()}
}

func fromOAuth2(o *social.OAuth2) *pb.OAuth2 {
	if o == nil {
		return nil
	}
	return &pb.OAuth2{
		AuthorizeUrl: o.AuthorizeURL, TokenUrl: o.TokenURL, RevokeUrl: o.RevokeURL, RegisterUrl: o.RegisterURL,
		Scopes: o.Scopes, Pkce: o.PKCE, AuthorizeParams: o.AuthorizeParams,
		BasicClientAuth: o.BasicClientAuth, SingleUseRefresh: o.SingleUseRefresh,
	}
}

func toOAuth2(o *pb.OAuth2) *social.OAuth2 {
	if o == nil {
		return nil
	}
	return &social.OAuth2{
		AuthorizeURL: o.AuthorizeUrl, TokenURL: o.TokenUrl, RevokeURL: o.RevokeUrl, RegisterURL: o.RegisterUrl,
		Scopes: o.Scopes, PKCE: o.Pkce, AuthorizeParams: o.AuthorizeParams,
		BasicClientAuth: o.BasicClientAuth, SingleUseRefresh: o.SingleUseRefresh,
	}
}

var quotaScopes = words(map[social.QuotaScope]pb.QuotaScope{
	social.ScopeApp:     pb.QuotaScope_QUOTA_SCOPE_APP,
	social.ScopeTenant:  pb.QuotaScope_QUOTA_SCOPE_TENANT,
	social.ScopeAccount: pb.QuotaScope_QUOTA_SCOPE_ACCOUNT,
})

func fromQuota(q social.Quota) *pb.Quota {
	return &pb.Quota{Id: q.ID, Scope: quotaScopes.number[q.Scope], Limit: int64(q.Limit), Window: fromDuration(q.Window)}
}

func toQuota(q *pb.Quota) social.Quota {
	return social.Quota{ID: q.GetId(), Scope: quotaScopes.word[q.GetScope()], Limit: int(q.GetLimit()), Window: toDuration(q.GetWindow())}
}
