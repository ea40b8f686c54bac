package httpapi

import (
	"context"
	"net/netip"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// Admin is what the HTTP surface uses of admin.Service.
type Admin interface {
	Login(ctx context.Context, from identity.Client, email string, password secret.Secret, code string) (*admin.SignedIn, error)
	ChoosePassword(ctx context.Context, token, password secret.Secret) error
	Logout(ctx context.Context, who admin.Who) error
	Me(ctx context.Context, who admin.Who) (*admin.Operator, error)
	Operators(ctx context.Context, who admin.Who) ([]admin.Operator, error)

	Users(ctx context.Context, who admin.Who, q admin.Search) (page []admin.User, more bool, err error)
	User(ctx context.Context, who admin.Who, user tenants.UserID) (*admin.User, []admin.Seat, error)
	SuspendUser(ctx context.Context, who admin.Who, user tenants.UserID, reason string) (*admin.User, error)
	ResumeUser(ctx context.Context, who admin.Who, user tenants.UserID) (*admin.User, error)
	Tenants(ctx context.Context, who admin.Who, q admin.Search) (page []admin.Tenant, more bool, err error)
	Tenant(ctx context.Context, who admin.Who, tenant tenants.ID) (*admin.Tenant, error)
	SuspendTenant(ctx context.Context, who admin.Who, tenant tenants.ID, reason string) (*admin.Tenant, error)
	ResumeTenant(ctx context.Context, who admin.Who, tenant tenants.ID) (*admin.Tenant, error)
	GrantTier(ctx context.Context, who admin.Who, tenant tenants.ID, tier tenants.Tier, until time.Time, reason string) (*admin.Tenant, error)
	EndGrant(ctx context.Context, who admin.Who, tenant tenants.ID) (*admin.Tenant, error)
	Impersonate(ctx context.Context, who admin.Who, user tenants.UserID, tenant tenants.ID, reason string) (*admin.Impersonation, secret.Secret, error)
	EndImpersonation(ctx context.Context, who admin.Who, name string) error

	Blocks(ctx context.Context, who admin.Who) ([]admin.Block, error)
	Block(ctx context.Context, who admin.Who, from netip.Addr, text, reason string, until time.Time) (*admin.Block, error)
	Unblock(ctx context.Context, who admin.Who, name string) error
	Maintenance(ctx context.Context, who admin.Who) (admin.Maintenance, error)
	SetMaintenance(ctx context.Context, who admin.Who, m admin.Maintenance) (admin.Maintenance, error)
	Flags(ctx context.Context, who admin.Who) ([]admin.Flag, error)
	SetFlag(ctx context.Context, who admin.Who, name, description string, on bool) (*admin.Flag, error)
	DropFlag(ctx context.Context, who admin.Who, name string) error
	Override(ctx context.Context, who admin.Who, tenant tenants.ID, name string, on *bool) error
}

// OperatorLogin implements POST /operator/auth/login.
func (s *Server) OperatorLogin(ctx context.Context, req api.OperatorLoginRequestObject) (api.OperatorLoginResponseObject, error) {
	in, err := s.Admin.Login(ctx, s.from(ctx), req.Body.Email, secret.Secret(req.Body.Password), or(req.Body.Code))
	if err != nil {
		return nil, err
	}
	if e := in.Enrol; e != nil {
		return api.OperatorLogin200JSONResponse{Object: api.Enrolment, Secret: &e.Secret, Uri: &e.URI, Picture: &e.Picture}, nil
	}
	return api.OperatorLogin200JSONResponse{Object: api.OperatorSession, Token: some(in.Token.Reveal()), ExpiresAt: &in.Expires}, nil
}

// OperatorPassword implements POST /operator/auth/password.
func (s *Server) OperatorPassword(ctx context.Context, req api.OperatorPasswordRequestObject) (api.OperatorPasswordResponseObject, error) {
	if err := s.Admin.ChoosePassword(ctx, secret.Secret(req.Body.Token), secret.Secret(req.Body.Password)); err != nil {
		return nil, err
	}
	return api.OperatorPassword204Response{}, nil
}

// OperatorLogout implements POST /operator/auth/logout.
func (s *Server) OperatorLogout(ctx context.Context, _ api.OperatorLogoutRequestObject) (api.OperatorLogoutResponseObject, error) {
	if err := s.Admin.Logout(ctx, operator(ctx)); err != nil {
		return nil, err
	}
	return api.OperatorLogout204Response{}, nil
}

// OperatorMe implements GET /operator/me.
func (s *Server) OperatorMe(ctx context.Context, _ api.OperatorMeRequestObject) (api.OperatorMeResponseObject, error) {
	o, err := s.Admin.Me(ctx, operator(ctx))
	if err != nil {
		return nil, err
	}
	return api.OperatorMe200JSONResponse(toOperator(*o)), nil
}

// ListOperators implements GET /operator/operators.
func (s *Server) ListOperators(ctx context.Context, _ api.ListOperatorsRequestObject) (api.ListOperatorsResponseObject, error) {
	all, err := s.Admin.Operators(ctx, operator(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListOperators200JSONResponse{Data: each(all, toOperator)}, nil
}

func toOperator(o admin.Operator) api.Operator {
	return api.Operator{Id: string(o.ID), Object: api.OperatorObjectOperator, Email: o.Email, Name: o.Name, Enrolled: !o.EnrolledAt.IsZero(), CreatedAt: o.CreatedAt}
}

// search reads what both searches take.
func (s *Server) search(ctx context.Context, text *string, limit *int, cursor *string) (q admin.Search, err error) {
	q.Text = or(text)
	if q.Limit, err = limitOf(limit); err != nil {
		return q, err
	}
	q.After, err = s.after(ctx, cursor)
	return q, err
}

// SearchUsers implements GET /operator/users.
func (s *Server) SearchUsers(ctx context.Context, req api.SearchUsersRequestObject) (api.SearchUsersResponseObject, error) {
	q, err := s.search(ctx, req.Params.Q, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	page, more, err := s.Admin.Users(ctx, operator(ctx), q)
	if err != nil {
		return nil, err
	}
	out := api.SearchUsers200JSONResponse{Data: each(page, toPerson), HasMore: more}
	if more {
		out.NextCursor = s.next(ctx, string(page[len(page)-1].ID))
	}
	return out, nil
}

func toPerson(u admin.User) api.Person {
	return api.Person{
		Id: string(u.ID), Object: api.PersonObjectPerson, Email: u.Email, Name: u.Name, HomeTenantId: some(string(u.Home)), CreatedAt: u.CreatedAt,
		Suspended: !u.SuspendedAt.IsZero(), SuspendedAt: some(u.SuspendedAt), SuspendedReason: some(u.Reason),
	}
}

// OperatorGetUser implements GET /operator/users/{user}.
func (s *Server) OperatorGetUser(ctx context.Context, req api.OperatorGetUserRequestObject) (api.OperatorGetUserResponseObject, error) {
	u, seats, err := s.Admin.User(ctx, operator(ctx), tenants.UserID(req.User))
	if err != nil {
		return nil, err
	}
	out := api.OperatorGetUser200JSONResponse{Person: toPerson(*u)}
	out.Memberships = make([]struct {
		Kind   string `json:"kind"`
		Name   string `json:"name"`
		Role   string `json:"role"`
		Tenant string `json:"tenant"`
	}, len(seats))
	for i, v := range seats {
		m := &out.Memberships[i]
		m.Tenant, m.Name, m.Kind, m.Role = string(v.Tenant), v.Name, string(v.Kind), string(v.Role)
	}
	return out, nil
}

// OperatorSuspendUser implements POST /operator/users/{user}:suspend.
func (s *Server) OperatorSuspendUser(ctx context.Context, req api.OperatorSuspendUserRequestObject) (api.OperatorSuspendUserResponseObject, error) {
	u, err := s.Admin.SuspendUser(ctx, operator(ctx), tenants.UserID(req.User), req.Body.Reason)
	if err != nil {
		return nil, err
	}
	return api.OperatorSuspendUser200JSONResponse(toPerson(*u)), nil
}

// OperatorResumeUser implements POST /operator/users/{user}:resume.
func (s *Server) OperatorResumeUser(ctx context.Context, req api.OperatorResumeUserRequestObject) (api.OperatorResumeUserResponseObject, error) {
	u, err := s.Admin.ResumeUser(ctx, operator(ctx), tenants.UserID(req.User))
	if err != nil {
		return nil, err
	}
	return api.OperatorResumeUser200JSONResponse(toPerson(*u)), nil
}

// Impersonate implements POST /operator/impersonations.
func (s *Server) Impersonate(ctx context.Context, req api.ImpersonateRequestObject) (api.ImpersonateResponseObject, error) {
	imp, token, err := s.Admin.Impersonate(ctx, operator(ctx), tenants.UserID(req.Body.User), tenants.ID(req.Body.Tenant), req.Body.Reason)
	if err != nil {
		return nil, err
	}
	return api.Impersonate201JSONResponse{
		Id: imp.ID, Object: api.ImpersonationObjectImpersonation, Token: token.Reveal(), User: string(imp.User), Tenant: string(imp.Tenant),
		Reason: imp.Reason, ExpiresAt: imp.ExpiresAt,
	}, nil
}

// EndImpersonation implements DELETE /operator/impersonations/{impersonation}.
func (s *Server) EndImpersonation(ctx context.Context, req api.EndImpersonationRequestObject) (api.EndImpersonationResponseObject, error) {
	if err := s.Admin.EndImpersonation(ctx, operator(ctx), req.Impersonation); err != nil {
		return nil, err
	}
	return api.EndImpersonation204Response{}, nil
}
