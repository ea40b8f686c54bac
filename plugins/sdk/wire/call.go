package wire

import (
	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/ports/social"
)

// FromCall puts what every request carries on the wire.
func FromCall(c social.Call) *pb.Call {
	return &pb.Call{
		Tenant: c.Tenant, Credential: FromCredential(c.Credential), App: c.App,
		Locale: c.Locale, IdempotencyKey: c.Idempotency,
	}
}

// ToCall takes what every request carries from the wire.
func ToCall(c *pb.Call) social.Call {
	return social.Call{
		Tenant: c.GetTenant(), Credential: ToCredential(c.GetCredential()), App: c.GetApp(),
		Locale: c.GetLocale(), Idempotency: c.GetIdempotencyKey(),
	}
}

// FromCredential puts a credential on the wire.
func FromCredential(c social.Credential) *pb.Credential {
	return &pb.Credential{
		AccessToken: c.AccessToken, Secrets: c.Secrets, Public: c.Public,
		Scopes: c.Scopes, ExpiresAt: fromTime(c.ExpiresAt),
	}
}

// ToCredential takes a credential from the wire.
func ToCredential(c *pb.Credential) social.Credential {
	return social.Credential{
		AccessToken: c.GetAccessToken(), Secrets: c.GetSecrets(), Public: c.GetPublic(),
		Scopes: c.GetScopes(), ExpiresAt: toTime(c.GetExpiresAt()),
	}
}

// FromAccount puts an account on the wire.
func FromAccount(a social.Account) *pb.Account {
	return &pb.Account{
		Id: a.ID, Handle: a.Handle, Name: a.Name, AvatarUrl: a.AvatarURL, Url: a.URL,
		Type: a.Type, Formats: a.Formats, Limits: fromLimits(a.Limits), Public: a.Public,
	}
}

// ToAccount takes an account from the wire.
func ToAccount(a *pb.Account) social.Account {
	return social.Account{
		ID: a.GetId(), Handle: a.GetHandle(), Name: a.GetName(), AvatarURL: a.GetAvatarUrl(), URL: a.GetUrl(),
		Type: a.GetType(), Formats: a.GetFormats(), Limits: toLimits(a.GetLimits()), Public: a.GetPublic(),
	}
}

// FromAccounts puts a list of accounts on the wire.
func FromAccounts(list []social.Account) []*pb.Account { return each(list, FromAccount) }

// ToAccounts takes a list of accounts from the wire.
func ToAccounts(list []*pb.Account) []social.Account { return each(list, ToAccount) }

func fromLimits(l *social.Limits) *pb.Limits {
	if l == nil {
		return nil
	}
	return &pb.Limits{
		MaxText: int64(l.MaxText), MaxMedia: int64(l.MaxMedia), MaxMediaBytes: l.MaxMediaBytes,
		MaxAlt: int64(l.MaxAlt), UrlWeight: int64(l.URLWeight),
	}
}

func toLimits(l *pb.Limits) *social.Limits {
	if l == nil {
		return nil
	}
	return &social.Limits{
		MaxText: int(l.MaxText), MaxMedia: int(l.MaxMedia), MaxMediaBytes: l.MaxMediaBytes,
		MaxAlt: int(l.MaxAlt), URLWeight: int(l.UrlWeight),
	}
}

// FromConnect puts one screen's answer on the wire.
func FromConnect(r social.ConnectRequest) *pb.ConnectRequest {
	return &pb.ConnectRequest{Call: FromCall(r.Call), State: r.State, Input: r.Input, RedirectUri: r.RedirectURI}
}

// ToConnect takes one screen's answer from the wire.
func ToConnect(r *pb.ConnectRequest) social.ConnectRequest {
	return social.ConnectRequest{Call: ToCall(r.GetCall()), State: r.GetState(), Input: r.GetInput(), RedirectURI: r.GetRedirectUri()}
}

// FromConnectStep puts the next screen on the wire. Done goes before Redirect,
// and Redirect before Form, if a plugin sets more than one.
func FromConnectStep(s social.ConnectStep) *pb.ConnectResponse {
	out := &pb.ConnectResponse{State: s.State}
	switch {
	case s.Done != nil:
		out.Outcome = &pb.ConnectResponse_Done{Done: FromCredential(*s.Done)}
	case s.Redirect != "":
		out.Outcome = &pb.ConnectResponse_RedirectUrl{RedirectUrl: s.Redirect}
	case len(s.Form) > 0:
		out.Outcome = &pb.ConnectResponse_FormSchema{FormSchema: s.Form}
	}
	return out
}

// ToConnectStep takes the next screen from the wire. All fields are empty if
// the plugin named none.
func ToConnectStep(r *pb.ConnectResponse) social.ConnectStep {
	s := social.ConnectStep{Redirect: r.GetRedirectUrl(), Form: r.GetFormSchema(), State: r.GetState()}
	if r.GetDone() != nil {
		done := ToCredential(r.GetDone())
		s.Done = &done
	}
	return s
}
