package httpapi

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// StartConnection implements POST /connections.
func (s *Server) StartConnection(ctx context.Context, req api.StartConnectionRequestObject) (api.StartConnectionResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := s.Channels.Start(ctx, who, channels.StartRequest{
		Platform: req.Body.Platform, Input: req.Body.Input,
		ReturnURL: or(req.Body.ReturnUrl), Channel: channels.ID(or(req.Body.Reconnect)),
	})
	if err != nil {
		return nil, err
	}
	s.bind(ctx, conn)
	return api.StartConnection201JSONResponse(toConnection(conn)), nil
}

// GetConnection implements GET /connections/{connection}.
func (s *Server) GetConnection(ctx context.Context, req api.GetConnectionRequestObject) (api.GetConnectionResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := s.Channels.Connection(ctx, who, channels.ConnectionID(req.Connection))
	if err != nil {
		return nil, err
	}
	return api.GetConnection200JSONResponse(toConnection(conn)), nil
}

// ContinueConnection implements POST /connections/{connection}:continue.
func (s *Server) ContinueConnection(ctx context.Context, req api.ContinueConnectionRequestObject) (api.ContinueConnectionResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := s.answer(ctx, who, channels.ConnectionID(req.Connection), req.Body)
	if err != nil {
		return nil, err
	}
	s.bind(ctx, conn)
	return api.ContinueConnection200JSONResponse(toConnection(conn)), nil
}

func (s *Server) answer(ctx context.Context, who tenants.Scope, id channels.ConnectionID, a *api.ConnectionAnswer) (channels.Connection, error) {
	if len(a.Accounts) > 0 {
		return s.Channels.Choose(ctx, who, id, a.Accounts)
	}
	return s.Channels.Continue(ctx, who, id, a.Input)
}

// The cookie ties a sign-in to the browser that began it. It is Lax, because
// the platform's own site sends the person back.
const (
	connectCookie = "carillon_connect"
	callbackPath  = "/oauth"
)

func (s *surface) bind(ctx context.Context, conn channels.Connection) {
	if conn.Binding != "" {
		s.cookie(ctx, connectCookie, callbackPath, fiber.CookieSameSiteLaxMode, conn.Binding, conn.ExpiresAt)
	}
}

// callback receives a person whom a platform sent back.
func (s *Server) callback(c *fiber.Ctx) error {
	query := map[string]string{}
	for k, v := range c.Context().QueryArgs().All() {
		query[string(k)] = string(v)
	}
	conn, err := s.Channels.Callback(c.UserContext(), c.Cookies(connectCookie), query["state"], query)
	err = onCallback(err)
	if err != nil && c.Accepts(fiber.MIMEApplicationJSON, fiber.MIMETextHTML) == fiber.MIMETextHTML {
		return s.notConnected(c, fault.Of(err))
	}
	if err != nil {
		return err
	}
	s.cookie(c.UserContext(), connectCookie, callbackPath, fiber.CookieSameSiteLaxMode, "", time.Unix(0, 0))
	if conn.ReturnURL != "" {
		return c.Redirect(conn.ReturnURL, fiber.StatusSeeOther)
	}
	return s.branded(c, "connected", "Connected", conn)
}

// onCallback points at the parameter that a member of an input came from.
func onCallback(err error) error {
	if f := fault.Of(err); f != nil && f.Code == fault.Invalid && f.Field == "/input/state" {
		return fault.New(f.Code, f.Reason, "%s", f.Message).On("/query/state")
	}
	return err
}

// notConnected tells a person in a browser what they can do about it. A fault
// that is nobody's doing goes the way of all others, into the log.
func (s *surface) notConnected(c *fiber.Ctx, f *fault.Error) error {
	if f.Code == fault.Internal || f.Code == fault.Unavailable {
		return f
	}
	c.Status(statusOf(f))
	return s.branded(c, "refused", "Not connected", map[string]any{"Message": f.Message, "Reason": f.Reason, "Elsewhere": f.Reason == "connection.unknown_state"})
}

func toConnection(c channels.Connection) api.Connection {
	return api.Connection{
		Id: string(c.ID), Object: api.ConnectionObjectConnection, Platform: c.Platform, Instance: some(c.Instance),
		Stage: api.ConnectionStage(c.Stage), Redirect: some(c.Redirect), Form: object(c.Form),
		Accounts: each(c.Choices, toAccount), Channels: as[string](c.Channels),
		Reason: some(c.Reason), Message: some(c.Message), ExpiresAt: c.ExpiresAt,
	}
}

func toAccount(a social.Account) api.Account {
	return api.Account{
		Id: a.ID, Handle: some(a.Handle), Name: a.Name, Type: some(a.Type), AvatarUrl: some(a.AvatarURL), Url: some(a.URL),
	}
}
