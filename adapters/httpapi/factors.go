package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

// Factors is what the HTTP surface uses of identity.Service for second factors.
type Factors interface {
	Factors(ctx context.Context, who identity.Principal) (*identity.Held, error)
	EnrolTOTP(ctx context.Context, who identity.Principal) (*identity.Enrolment, error)
	ConfirmTOTP(ctx context.Context, who identity.Principal, code secret.Secret) ([]secret.Secret, error)
	RemoveTOTP(ctx context.Context, who identity.Principal) error
	RenewRecoveryCodes(ctx context.Context, who identity.Principal) ([]secret.Secret, error)
	BeginPasskey(ctx context.Context, who identity.Principal, from identity.Client) (*identity.Asked, error)
	AddPasskey(ctx context.Context, who identity.Principal, from identity.Client, token secret.Secret, name string, answer []byte) (*identity.Passkey, []secret.Secret, error)
	RenamePasskey(ctx context.Context, who identity.Principal, name identity.PasskeyID, to string) (*identity.Passkey, error)
	RemovePasskey(ctx context.Context, who identity.Principal, name identity.PasskeyID) error

	BeginPasskeyLogin(ctx context.Context, from identity.Client) (*identity.Asked, error)
	PasskeyLogin(ctx context.Context, from identity.Client, token secret.Secret, answer []byte) (*identity.Entry, error)
	Answer(ctx context.Context, from identity.Client, token secret.Secret, p identity.Proof) (*identity.SignedIn, error)
	AskStepUp(ctx context.Context, who identity.Principal, from identity.Client) (*identity.Asked, error)
	StepUp(ctx context.Context, who identity.Principal, from identity.Client, token secret.Secret, p identity.Proof) (until time.Time, err error)
}

// AnswerChallenge implements POST /auth/challenge.
func (s *Server) AnswerChallenge(ctx context.Context, req api.AnswerChallengeRequestObject) (api.AnswerChallengeResponseObject, error) {
	b := req.Body
	if err := complete(string(b.Method), proofs{"code": or(b.Code) != "", "passkey": b.Passkey != nil}); err != nil {
		return nil, err
	}
	in, err := s.People.Answer(ctx, s.fromDevice(ctx, b.DeviceToken), secret.Secret(b.Challenge), identity.Proof{
		Method: identity.Method(b.Method), Code: secret.Secret(or(b.Code)), Passkey: rawOr(b.Passkey),
	})
	if err != nil {
		return nil, err
	}
	return api.AnswerChallenge200JSONResponse(s.welcome(ctx, in)), nil
}

// BeginPasskeyLogin implements POST /auth/passkey:begin.
func (s *Server) BeginPasskeyLogin(ctx context.Context, _ api.BeginPasskeyLoginRequestObject) (api.BeginPasskeyLoginResponseObject, error) {
	asked, err := s.People.BeginPasskeyLogin(ctx, s.from(ctx))
	if err != nil {
		return nil, err
	}
	return api.BeginPasskeyLogin200JSONResponse(toChallenge(asked)), nil
}

// LoginWithPasskey implements POST /auth/passkey.
func (s *Server) LoginWithPasskey(ctx context.Context, req api.LoginWithPasskeyRequestObject) (api.LoginWithPasskeyResponseObject, error) {
	b := req.Body
	in, err := s.People.PasskeyLogin(ctx, s.fromDevice(ctx, b.DeviceToken), secret.Secret(b.Challenge), b.Passkey)
	if err != nil {
		return nil, err
	}
	return api.LoginWithPasskey200JSONResponse(s.welcome(ctx, in.SignedIn)), nil
}

// AskStepUp implements POST /auth/step-up:begin.
func (s *Server) AskStepUp(ctx context.Context, _ api.AskStepUpRequestObject) (api.AskStepUpResponseObject, error) {
	asked, err := s.People.AskStepUp(ctx, caller(ctx), s.from(ctx))
	if err != nil {
		return nil, err
	}
	return api.AskStepUp200JSONResponse(toChallenge(asked)), nil
}

// StepUp implements POST /auth/step-up.
func (s *Server) StepUp(ctx context.Context, req api.StepUpRequestObject) (api.StepUpResponseObject, error) {
	b := req.Body
	if err := complete(string(b.Method), proofs{
		"password": b.Password != nil, "code": or(b.Code) != "", "challenge": b.Challenge != nil, "passkey": b.Passkey != nil,
	}); err != nil {
		return nil, err
	}
	until, err := s.People.StepUp(ctx, caller(ctx), s.from(ctx), secret.Secret(or(b.Challenge)), identity.Proof{
		Method: identity.Method(b.Method), Password: secret.Secret(or(b.Password)), Code: secret.Secret(or(b.Code)), Passkey: rawOr(b.Passkey),
	})
	if err != nil {
		return nil, err
	}
	return api.StepUp200JSONResponse{Until: until}, nil
}

// proofs are the members that a proof can be in, and whether they were sent.
type proofs map[string]bool

// needed are the members that each method takes.
var needed = map[string][]string{"password": {"password"}, "totp": {"code"}, "recovery": {"code"}, "passkey": {"challenge", "passkey"}}

// complete refuses a proof without what its method takes: it is a mistake of
// the sender's, and no guess. A member that sent does not list is in every body.
func complete(method string, sent proofs) error {
	var missing []fault.Violation
	for _, member := range needed[method] {
		if there, listed := sent[member]; listed && !there {
			missing = append(missing, fault.Violation{Field: "/" + member, Reason: "json.required", Message: "This is required with the method " + method + "."})
		}
	}
	return fault.Check(missing)
}

// ListFactors implements GET /me/factors.
func (s *Server) ListFactors(ctx context.Context, _ api.ListFactorsRequestObject) (api.ListFactorsResponseObject, error) {
	held, err := s.People.Factors(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	out := api.ListFactors200JSONResponse{Object: api.FactorsObjectFactors, Passkeys: each(held.Passkeys, toPasskey), RecoveryCodesLeft: held.Recovery}
	if t := held.TOTP; t != nil {
		out.Totp = api.TotpState{Enabled: true, CreatedAt: some(t.CreatedAt), LastUsedAt: some(t.UsedAt)}
	}
	return out, nil
}

// EnrolTotp implements POST /me/totp.
func (s *Server) EnrolTotp(ctx context.Context, _ api.EnrolTotpRequestObject) (api.EnrolTotpResponseObject, error) {
	e, err := s.People.EnrolTOTP(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	return api.EnrolTotp201JSONResponse{
		Object: api.TotpEnrolmentObjectTotpEnrolment, Secret: e.Secret.Reveal(), Uri: e.URI.Reveal(),
		Qr: "data:image/png;base64," + base64.StdEncoding.EncodeToString(e.Picture), ExpiresAt: e.ExpiresAt,
	}, nil
}

// ConfirmTotp implements POST /me/totp:confirm.
func (s *Server) ConfirmTotp(ctx context.Context, req api.ConfirmTotpRequestObject) (api.ConfirmTotpResponseObject, error) {
	codes, err := s.People.ConfirmTOTP(ctx, caller(ctx), secret.Secret(req.Body.Code))
	if err != nil {
		return nil, err
	}
	return api.ConfirmTotp200JSONResponse{RecoveryCodes: each(codes, secret.Secret.Reveal)}, nil
}

// RemoveTotp implements DELETE /me/totp.
func (s *Server) RemoveTotp(ctx context.Context, _ api.RemoveTotpRequestObject) (api.RemoveTotpResponseObject, error) {
	if err := s.People.RemoveTOTP(ctx, caller(ctx)); err != nil {
		return nil, err
	}
	return api.RemoveTotp204Response{}, nil
}

// RenewRecoveryCodes implements POST /me/recovery-codes.
func (s *Server) RenewRecoveryCodes(ctx context.Context, _ api.RenewRecoveryCodesRequestObject) (api.RenewRecoveryCodesResponseObject, error) {
	codes, err := s.People.RenewRecoveryCodes(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	return api.RenewRecoveryCodes200JSONResponse{RecoveryCodes: each(codes, secret.Secret.Reveal)}, nil
}

// BeginPasskey implements POST /me/passkeys:begin.
func (s *Server) BeginPasskey(ctx context.Context, _ api.BeginPasskeyRequestObject) (api.BeginPasskeyResponseObject, error) {
	asked, err := s.People.BeginPasskey(ctx, caller(ctx), s.from(ctx))
	if err != nil {
		return nil, err
	}
	return api.BeginPasskey200JSONResponse(toChallenge(asked)), nil
}

// AddPasskey implements POST /me/passkeys.
func (s *Server) AddPasskey(ctx context.Context, req api.AddPasskeyRequestObject) (api.AddPasskeyResponseObject, error) {
	b := req.Body
	k, codes, err := s.People.AddPasskey(ctx, caller(ctx), s.from(ctx), secret.Secret(b.Challenge), b.Name, b.Passkey)
	if err != nil {
		return nil, err
	}
	return api.AddPasskey201JSONResponse{Passkey: toPasskey(*k), RecoveryCodes: each(codes, secret.Secret.Reveal)}, nil
}

// RenamePasskey implements PATCH /me/passkeys/{passkey}.
func (s *Server) RenamePasskey(ctx context.Context, req api.RenamePasskeyRequestObject) (api.RenamePasskeyResponseObject, error) {
	k, err := s.People.RenamePasskey(ctx, caller(ctx), identity.PasskeyID(req.Passkey), req.Body.Name)
	if err != nil {
		return nil, err
	}
	return api.RenamePasskey200JSONResponse(toPasskey(*k)), nil
}

// RemovePasskey implements DELETE /me/passkeys/{passkey}.
func (s *Server) RemovePasskey(ctx context.Context, req api.RemovePasskeyRequestObject) (api.RemovePasskeyResponseObject, error) {
	if err := s.People.RemovePasskey(ctx, caller(ctx), identity.PasskeyID(req.Passkey)); err != nil {
		return nil, err
	}
	return api.RemovePasskey204Response{}, nil
}

func toPasskey(k identity.Passkey) api.Passkey {
	return api.Passkey{
		Id: string(k.ID), Object: api.PasskeyObjectPasskey, Name: k.Name, Host: k.Party, Suspect: !k.SuspectAt.IsZero(),
		CreatedAt: k.CreatedAt, LastUsedAt: some(k.UsedAt),
	}
}

func toChallenge(a *identity.Asked) api.Challenge {
	c := api.Challenge{Object: api.ChallengeObjectChallenge, Challenge: a.Token.Reveal(), Methods: toMethods(a.Methods), ExpiresAt: a.ExpiresAt}
	if a.Passkey != nil {
		options := json.RawMessage(a.Passkey)
		c.PublicKey = &options
	}
	return c
}

func toMethods(list []identity.Method) []api.Method {
	return each(list, func(m identity.Method) api.Method { return api.Method(m) })
}

// rawOr is or for raw JSON.
func rawOr(raw *json.RawMessage) json.RawMessage {
	if raw == nil {
		return nil
	}
	return *raw
}
