package httpapi

import (
	"context"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

// People is what the HTTP surface uses of identity.Service.
type People interface {
	Register(ctx context.Context, from identity.Client, r identity.Registration) error
	Verify(ctx context.Context, from identity.Client, token, password secret.Secret) error
	ResendVerify(ctx context.Context, from identity.Client, email string) error
	Login(ctx context.Context, from identity.Client, email string, password secret.Secret) (*identity.Entry, error)
	Refresh(ctx context.Context, from identity.Client, token secret.Secret) (*identity.SignedIn, error)
	ForgotPassword(ctx context.Context, from identity.Client, email string) error
	ResetPassword(ctx context.Context, from identity.Client, token, password secret.Secret) error
	ChangePassword(ctx context.Context, who identity.Principal, current, next secret.Secret) error
	Logout(ctx context.Context, who identity.Principal) error
	Me(ctx context.Context, who identity.Principal) (*identity.User, error)
	Sessions(ctx context.Context, who identity.Principal) ([]identity.Session, error)
	RevokeSession(ctx context.Context, who identity.Principal, id identity.SessionID) error
	RevokeOtherSessions(ctx context.Context, who identity.Principal) error
	RenameSession(ctx context.Context, who identity.Principal, id identity.SessionID, name string) (*identity.Session, error)
	DisownSession(ctx context.Context, from identity.Client, token secret.Secret) error
	Factors
}

// from is where a request without an account comes from.
func (s *surface) from(ctx context.Context) identity.Client {
	c := exchangeOf(ctx).c
	host, _, _ := strings.Cut(string(c.Request().Host()), ":")
	return identity.Client{Address: s.client(c), Agent: c.Get(fiber.HeaderUserAgent), Host: strings.ToLower(host)}
}

// fromDevice is from for who signs in, with the token of the device: the one in
// the body or, without it, the cookie.
func (s *surface) fromDevice(ctx context.Context, token *string) identity.Client {
	c := s.from(ctx)
	if c.Device = secret.Secret(or(token)); c.Device == "" {
		c.Device = cookieOf(ctx, deviceCookie)
	}
	return c
}

// RegisterUser implements POST /auth/register.
func (s *Server) RegisterUser(ctx context.Context, req api.RegisterUserRequestObject) (api.RegisterUserResponseObject, error) {
	err := s.People.Register(ctx, s.from(ctx), identity.Registration{
		Email: req.Body.Email, Name: req.Body.Name, Password: secret.Secret(req.Body.Password),
	})
	if err != nil {
		return nil, err
	}
	return api.RegisterUser202Response{}, nil
}

// VerifyEmail implements POST /auth/verify.
func (s *Server) VerifyEmail(ctx context.Context, req api.VerifyEmailRequestObject) (api.VerifyEmailResponseObject, error) {
	if err := s.People.Verify(ctx, s.from(ctx), secret.Secret(req.Body.Token), secret.Secret(req.Body.Password)); err != nil {
		return nil, err
	}
	return api.VerifyEmail204Response{}, nil
}

// ResendVerification implements POST /auth/verify:resend.
func (s *Server) ResendVerification(ctx context.Context, req api.ResendVerificationRequestObject) (api.ResendVerificationResponseObject, error) {
	if err := s.People.ResendVerify(ctx, s.from(ctx), req.Body.Email); err != nil {
		return nil, err
	}
	return api.ResendVerification202Response{}, nil
}

// Login implements POST /auth/login.
func (s *Server) Login(ctx context.Context, req api.LoginRequestObject) (api.LoginResponseObject, error) {
	in, err := s.People.Login(ctx, s.fromDevice(ctx, req.Body.DeviceToken), req.Body.Email, secret.Secret(req.Body.Password))
	if err != nil {
		return nil, err
	}
	if in.Asked != nil {
		return api.Login202JSONResponse(toChallenge(in.Asked)), nil
	}
	return api.Login200JSONResponse(s.welcome(ctx, in.SignedIn)), nil
}

// RefreshSession implements POST /auth/refresh.
func (s *Server) RefreshSession(ctx context.Context, req api.RefreshSessionRequestObject) (api.RefreshSessionResponseObject, error) {
	token, err := refreshToken(ctx, req.Body)
	if err != nil {
		return nil, err
	}
	in, err := s.People.Refresh(ctx, s.from(ctx), token)
	if err != nil {
		return nil, err
	}
	s.remember(ctx, in)
	return api.RefreshSession200JSONResponse(toTokens(in)), nil
}

// refreshToken is the one in the body or the cookie.
func refreshToken(ctx context.Context, body *api.RefreshInput) (secret.Secret, error) {
	if body != nil && body.RefreshToken != nil {
		return secret.Secret(*body.RefreshToken), nil
	}
	token := cookieOf(ctx, refreshCookie)
	if token == "" {
		return "", fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
	}
	return token, nil
}

// Logout implements POST /auth/logout.
func (s *Server) Logout(ctx context.Context, _ api.LogoutRequestObject) (api.LogoutResponseObject, error) {
	if err := s.People.Logout(ctx, caller(ctx)); err != nil {
		return nil, err
	}
	s.cookie(ctx, refreshCookie, authPath, fiber.CookieSameSiteStrictMode, "", time.Unix(0, 0))
	return api.Logout204Response{}, nil
}

// ForgotPassword implements POST /auth/password:forgot.
func (s *Server) ForgotPassword(ctx context.Context, req api.ForgotPasswordRequestObject) (api.ForgotPasswordResponseObject, error) {
	if err := s.People.ForgotPassword(ctx, s.from(ctx), req.Body.Email); err != nil {
		return nil, err
	}
	return api.ForgotPassword202Response{}, nil
}

// ResetPassword implements POST /auth/password:reset.
func (s *Server) ResetPassword(ctx context.Context, req api.ResetPasswordRequestObject) (api.ResetPasswordResponseObject, error) {
	err := s.People.ResetPassword(ctx, s.from(ctx), secret.Secret(req.Body.Token), secret.Secret(req.Body.Password))
	if err != nil {
		return nil, err
	}
	return api.ResetPassword204Response{}, nil
}

// ChangePassword implements POST /me/password:change.
func (s *Server) ChangePassword(ctx context.Context, req api.ChangePasswordRequestObject) (api.ChangePasswordResponseObject, error) {
	err := s.People.ChangePassword(ctx, caller(ctx), secret.Secret(req.Body.Current), secret.Secret(req.Body.Password))
	if err != nil {
		return nil, err
	}
	return api.ChangePassword204Response{}, nil
}

// GetMe implements GET /me.
func (s *Server) GetMe(ctx context.Context, _ api.GetMeRequestObject) (api.GetMeResponseObject, error) {
	u, err := s.People.Me(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	out := api.GetMe200JSONResponse{
		Id: string(u.ID), Object: api.UserObjectUser, Email: u.Email, Name: u.Name,
		HomeTenantId: some(string(u.Home)), CreatedAt: u.CreatedAt,
	}
	if imp := impersonated(ctx); imp != nil {
		out.Impersonation = &struct {
			ExpiresAt time.Time `json:"expires_at"`
			Operator  string    `json:"operator"`
			Reason    string    `json:"reason"`
			Tenant    string    `json:"tenant"`
		}{imp.ExpiresAt, string(imp.Operator), imp.Reason, string(imp.Tenant)}
	}
	return out, nil
}

// ListSessions implements GET /me/sessions.
func (s *Server) ListSessions(ctx context.Context, _ api.ListSessionsRequestObject) (api.ListSessionsResponseObject, error) {
	sessions, err := s.People.Sessions(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListSessions200JSONResponse{Data: each(sessions, func(v identity.Session) api.Session {
		return toSession(ctx, &v)
	})}, nil
}

func toSession(ctx context.Context, v *identity.Session) api.Session {
	return api.Session{
		Id: string(v.ID), Object: api.SessionObjectSession, Current: v.ID == caller(ctx).Session, Name: some(v.Name), Device: some(v.DeviceName()),
		UserAgent: some(v.Agent), Address: some(v.Address), Network: some(v.Network()), Methods: toMethods(v.Methods), AuthenticatedAt: some(v.AuthenticatedAt),
		CreatedAt: v.CreatedAt, LastUsedAt: v.SeenAt, ExpiresAt: v.ExpiresAt,
	}
}

// RenameSession implements PATCH /me/sessions/{session}.
func (s *Server) RenameSession(ctx context.Context, req api.RenameSessionRequestObject) (api.RenameSessionResponseObject, error) {
	v, err := s.People.RenameSession(ctx, caller(ctx), identity.SessionID(req.Session), req.Body.Name)
	if err != nil {
		return nil, err
	}
	return api.RenameSession200JSONResponse(toSession(ctx, v)), nil
}

// DisownSession implements POST /auth/session:disown.
func (s *Server) DisownSession(ctx context.Context, req api.DisownSessionRequestObject) (api.DisownSessionResponseObject, error) {
	if err := s.People.DisownSession(ctx, s.from(ctx), secret.Secret(req.Body.Token)); err != nil {
		return nil, err
	}
	return api.DisownSession204Response{}, nil
}

// RevokeSession implements DELETE /me/sessions/{session}.
func (s *Server) RevokeSession(ctx context.Context, req api.RevokeSessionRequestObject) (api.RevokeSessionResponseObject, error) {
	if err := s.People.RevokeSession(ctx, caller(ctx), identity.SessionID(req.Session)); err != nil {
		return nil, err
	}
	return api.RevokeSession204Response{}, nil
}

// RevokeOtherSessions implements POST /me/sessions:revoke-others.
func (s *Server) RevokeOtherSessions(ctx context.Context, _ api.RevokeOtherSessionsRequestObject) (api.RevokeOtherSessionsResponseObject, error) {
	if err := s.People.RevokeOtherSessions(ctx, caller(ctx)); err != nil {
		return nil, err
	}
	return api.RevokeOtherSessions204Response{}, nil
}

func toTokens(in *identity.SignedIn) api.Tokens {
	return api.Tokens{
		AccessToken: in.Access.Reveal(), RefreshToken: in.Refresh.Reveal(), TokenType: api.Bearer,
		ExpiresIn: int(time.Until(in.AccessExpires).Round(time.Second).Seconds()), UserId: string(in.User), DeviceToken: some(in.Device.Reveal()),
	}
}

// The cookie holds the refresh token for browsers: no script reads it, no
// other site sends it, and only one path receives it.
const (
	refreshCookie = "carillon_refresh"
	deviceCookie  = "carillon_device"
	authPath      = base + "/auth"
)

// welcome is the answer to every way of signing in: the tokens, and the cookies
// that a browser keeps of them.
func (s *surface) welcome(ctx context.Context, in *identity.SignedIn) api.Tokens {
	s.remember(ctx, in)
	s.cookie(ctx, deviceCookie, authPath, fiber.CookieSameSiteStrictMode, in.Device.Reveal(), time.Now().Add(identity.DeviceTTL))
	return toTokens(in)
}

func (s *surface) remember(ctx context.Context, in *identity.SignedIn) {
	s.cookie(ctx, refreshCookie, authPath, fiber.CookieSameSiteStrictMode, in.Refresh.Reveal(), in.RefreshExpires)
}

func (s *surface) cookie(ctx context.Context, name, path, sameSite, value string, expires time.Time) {
	exchangeOf(ctx).c.Cookie(&fiber.Cookie{
		Name: name, Value: value, Path: path, Expires: expires, HTTPOnly: true, Secure: !s.InsecureCookies, SameSite: sameSite,
	})
}

// each maps a list, never to null.
func each[T, U any](list []T, fn func(T) U) []U {
	out := make([]U, len(list))
	for i, v := range list {
		out[i] = fn(v)
	}
	return out
}
