package channels

import (
	"context"
	"slices"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// StartRequest begins a sign-in.
type StartRequest struct {
	Platform  string            // plugin id
	Input     map[string]string // "instance", and the values of the manifest's form if already known
	ReturnURL string            // where Callback sends the person: a path here or a URL on an allowed origin
	Channel   ID                // the channel to repair, if any
}

// Platforms lists what who's tenant can connect.
func (s *Service) Platforms(ctx context.Context, who tenants.Scope) ([]social.Manifest, error) {
	if err := s.Authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	all := s.Plugins.List(ctx)
	if s.Access == nil {
		return all, nil
	}
	closed, err := s.Access.Closed(ctx, who.Tenant)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(m social.Manifest) bool { return closed[m.ID] != nil }), nil
}

// Start begins a sign-in. The answer is at stage redirect, form, choice, done
// or failed. With a redirect comes Binding: the edge keeps it in the person's
// browser (an HttpOnly cookie) and shows it to Callback.
func (s *Service) Start(ctx context.Context, who tenants.Scope, req StartRequest) (Connection, error) {
	if err := s.Authz.Allow(ctx, who, ActConnect); err != nil {
		return Connection{}, err
	}
	if err := s.closed(ctx, who.Tenant, req.Platform); err != nil {
		return Connection{}, err
	}
	p, err := s.Plugins.Platform(ctx, req.Platform)
	if fault.Is(err, fault.NotFound) {
		return Connection{}, fault.New(fault.NotFound, "plugin.unknown", "There is no such platform here. The list of platforms has their ids.").On("/platform")
	}
	if err != nil {
		return Connection{}, err
	}
	now := s.Now()
	c := Connection{
		ID: NewConnectionID(), Platform: req.Platform, Reconnect: req.Channel, User: who.User, Key: who.Key,
		CreatedAt: now, ExpiresAt: now.Add(ConnectionLife),
	}
	if c.ReturnURL, err = s.returnURL(req.ReturnURL); err != nil {
		return Connection{}, err
	}
	if err := s.repairs(ctx, who, &c); err != nil {
		return Connection{}, err
	}
	a := &attempt{Service: s, who: who, conn: &c, platform: p, manifest: p.Manifest()}
	return a.answer(a.begin(ctx, req.Input))
}

// repairs checks that the channel to repair is on the same platform, and
// takes its instance.
func (s *Service) repairs(ctx context.Context, who tenants.Scope, c *Connection) error {
	if c.Reconnect == "" {
		return nil
	}
	return s.Store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		ch, err := tx.Channel(ctx, c.Reconnect)
		if err != nil {
			return err
		}
		if ch.Platform != c.Platform {
			return fault.New(fault.Invalid, "connection.other_platform", "That channel is on another platform.").On("/reconnect")
		}
		c.Instance = ch.Instance
		return nil
	})
}

// Continue answers the form of a connection, or delivers the query that came
// back from a redirect ("state", "code", …) when the person's own session
// received it. A form that the platform refuses can be answered again.
func (s *Service) Continue(ctx context.Context, who tenants.Scope, id ConnectionID, input map[string]string) (Connection, error) {
	if err := s.Authz.Allow(ctx, who, ActConnect); err != nil {
		return Connection{}, err
	}
	c, err := s.own(ctx, who, id)
	if err != nil {
		return Connection{}, err
	}
	if c.Stage == AwaitsRedirect {
		if len(input) == 0 {
			return Connection{}, fault.New(fault.Invalid, "connection.awaits_redirect", "%s", c.Stage.wants()).On("/input")
		}
		if !sameHash(c.StateHash, input["state"]) {
			return Connection{}, unknownState()
		}
		return s.arrive(ctx, who, c, input)
	}
	if err := c.await(AwaitsForm, s.Now()); err != nil {
		return Connection{}, err
	}
	a, err := s.resume(ctx, who, c)
	if err != nil {
		return Connection{}, err
	}
	return a.answer(a.begin(ctx, input))
}

// Callback receives a person whom the platform sent back. The state works
// once; binding must be what Start answered. It needs no session: the state
// and the binding together are one, and what the person may do is read again.
// Whoever started with an API key has no browser; they deliver the query with
// Continue. A refused call uses nothing up.
func (s *Service) Callback(ctx context.Context, binding, state string, query map[string]string) (Connection, error) {
	t, id, err := s.Store.ByState(ctx, hash(state))
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			err = unknownState()
		}
		return Connection{}, err
	}
	c, err := s.load(ctx, t, id)
	if err != nil {
		return Connection{}, err
	}
	if !sameHash(c.BindingHash, binding) || c.Key != "" {
		return Connection{}, unknownState()
	}
	who, err := s.Members.Resolve(ctx, c.User, t)
	if err != nil {
		return Connection{}, err
	}
	if err := s.Authz.Allow(ctx, who, ActConnect); err != nil {
		return Connection{}, err
	}
	return s.arrive(ctx, who, c, query)
}

// arrive uses up the state, in a transaction of its own, and goes on with what
// the platform sent. Whatever happens then, the same state opens nothing again.
func (s *Service) arrive(ctx context.Context, who tenants.Scope, c *Connection, query map[string]string) (Connection, error) {
	if err := c.await(AwaitsRedirect, s.Now()); err != nil {
		return Connection{}, err
	}
	a, err := s.resume(ctx, who, c)
	if err != nil {
		return Connection{}, err
	}
	c.StateHash, c.BindingHash = nil, nil
	if err := a.keep(ctx); err != nil {
		if fault.Is(err, fault.Conflict) {
			err = unknownState()
		}
		return Connection{}, err
	}
	if err = a.returned(ctx, query); err != nil {
		c.fail(signInFault(err))
		err = a.keep(context.WithoutCancel(ctx))
	}
	return a.answer(err)
}

// Choose connects accounts, by their platform's ids, out of a connection's Choices.
func (s *Service) Choose(ctx context.Context, who tenants.Scope, id ConnectionID, accounts []string) (Connection, error) {
	if err := s.Authz.Allow(ctx, who, ActConnect); err != nil {
		return Connection{}, err
	}
	c, err := s.own(ctx, who, id)
	if err != nil {
		return Connection{}, err
	}
	if err := c.await(AwaitsChoice, s.Now()); err != nil {
		return Connection{}, err
	}
	picked, err := pick(c.Choices, accounts)
	if err != nil {
		return Connection{}, err
	}
	a, err := s.resume(ctx, who, c)
	if err != nil {
		return Connection{}, err
	}
	return a.answer(a.connect(ctx, picked))
}

// pick returns the accounts with ids, each once.
func pick(from []social.Account, ids []string) ([]social.Account, error) {
	byID := map[string]social.Account{}
	for _, a := range from {
		byID[a.ID] = a
	}
	var out []social.Account
	for i, id := range ids {
		a, ok := byID[id]
		if !ok {
			return nil, fault.New(fault.Invalid, "connection.unknown_account", "That account is not among the choices.").On(pointer("/accounts", i))
		}
		delete(byID, id)
		out = append(out, a)
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Invalid, "connection.no_choice", "Choose at least one account.").On("/accounts")
	}
	return out, nil
}

// Connection returns an attempt of who's own.
func (s *Service) Connection(ctx context.Context, who tenants.Scope, id ConnectionID) (Connection, error) {
	if err := s.Authz.Allow(ctx, who, ActConnect); err != nil {
		return Connection{}, err
	}
	c, err := s.own(ctx, who, id)
	if err != nil {
		return Connection{}, err
	}
	return c.public(), nil
}

// own loads a connection that who started.
func (s *Service) own(ctx context.Context, who tenants.Scope, id ConnectionID) (*Connection, error) {
	c, err := s.load(ctx, who.Tenant, id)
	if err != nil {
		return nil, err
	}
	if !c.startedBy(who) {
		return nil, notThere()
	}
	return c, nil
}

func (s *Service) load(ctx context.Context, t tenants.ID, id ConnectionID) (c *Connection, err error) {
	err = s.Store.View(ctx, t, func(ctx context.Context, tx Tx) error {
		c, err = tx.Connection(ctx, id)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil, notThere()
	}
	return c, err
}
