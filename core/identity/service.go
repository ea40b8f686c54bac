package identity

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// Service is the use cases of people and sessions. Use cases that need no
// account take the Client they are asked by, the others a Principal.
type Service struct{}

// Keys is the use cases of API keys.
type Keys struct{}

var errSoon = fault.New(fault.Unavailable, "identity.starting", "Not ready.")

func (s *Service) Register(ctx context.Context, from Client, r Registration) error { return errSoon }
func (s *Service) Verify(ctx context.Context, from Client, token secret.Secret) error {
	return errSoon
}
func (s *Service) ResendVerify(ctx context.Context, from Client, email string) error { return errSoon }
func (s *Service) Login(ctx context.Context, from Client, email string, password secret.Secret) (*SignedIn, error) {
	return nil, errSoon
}
func (s *Service) Refresh(ctx context.Context, from Client, token secret.Secret) (*SignedIn, error) {
	return nil, errSoon
}
func (s *Service) ForgotPassword(ctx context.Context, from Client, email string) error {
	return errSoon
}
func (s *Service) ResetPassword(ctx context.Context, from Client, token, password secret.Secret) error {
	return errSoon
}
func (s *Service) ChangePassword(ctx context.Context, who Principal, current, next secret.Secret) error {
	return errSoon
}
func (s *Service) Logout(ctx context.Context, who Principal) error      { return errSoon }
func (s *Service) Me(ctx context.Context, who Principal) (*User, error) { return nil, errSoon }
func (s *Service) Sessions(ctx context.Context, who Principal) ([]Session, error) {
	return nil, errSoon
}
func (s *Service) RevokeSession(ctx context.Context, who Principal, id SessionID) error {
	return errSoon
}
func (s *Service) RevokeOtherSessions(ctx context.Context, who Principal) error { return errSoon }

// Authenticate takes the credential after "Bearer " (see Bearer).
func (s *Service) Authenticate(ctx context.Context, token string) (Principal, error) {
	return Principal{}, errSoon
}

func (k *Keys) Create(ctx context.Context, who tenants.Scope, n NewKey) (*IssuedKey, error) {
	return nil, errSoon
}
func (k *Keys) List(ctx context.Context, who tenants.Scope) ([]Key, error)    { return nil, errSoon }
func (k *Keys) Revoke(ctx context.Context, who tenants.Scope, id KeyID) error { return errSoon }
