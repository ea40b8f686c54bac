package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/tenants"
)

// connectionRow is a row of channel_connections.
type connectionRow struct {
	bun.BaseModel `bun:"table:channel_connections,alias:n"`

	ID          string          `bun:"id"`
	Platform    string          `bun:"platform"`
	Instance    string          `bun:"instance"`
	Stage       string          `bun:"stage"`
	Form        json.RawMessage `bun:"form,type:jsonb,nullzero"`
	Choices     json.RawMessage `bun:"choices,type:jsonb"`
	Channels    []string        `bun:"channels,array"`
	Reason      string          `bun:"reason"`
	Message     string          `bun:"message"`
	ReturnURL   string          `bun:"return_url"`
	Reconnect   string          `bun:"reconnect"`
	UserID      string          `bun:"user_id"`
	KeyID       string          `bun:"key_id"`
	StateHash   []byte          `bun:"state_hash"`
	BindingHash []byte          `bun:"binding_hash"`
	Sealed      []byte          `bun:"sealed"`
	Version     int             `bun:"version"`
	CreatedAt   time.Time       `bun:"created_at"`
	ExpiresAt   time.Time       `bun:"expires_at"`
}

func (t channelTx) Connection(ctx context.Context, id channels.ConnectionID) (*channels.Connection, error) {
	var r connectionRow
	if err := t.locked(t.find(&r).Where("n.id = ?", string(id))).Scan(ctx); err != nil {
		return nil, missing(err, "connection.not_found", "There is no such sign-in.")
	}
	return r.connection()
}

func (r *connectionRow) connection() (*channels.Connection, error) {
	c := &channels.Connection{
		ID: channels.ConnectionID(r.ID), Platform: r.Platform, Instance: r.Instance, Stage: channels.Stage(r.Stage), Form: r.Form,
		Reason: r.Reason, Message: r.Message, ReturnURL: r.ReturnURL, Reconnect: channels.ID(r.Reconnect),
		User: tenants.UserID(r.UserID), Key: r.KeyID, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, Version: r.Version,
		StateHash: r.StateHash, BindingHash: r.BindingHash, Sealed: r.Sealed,
	}
	for _, id := range r.Channels {
		c.Channels = append(c.Channels, channels.ID(id))
	}
	if string(r.Choices) == "[]" {
		return c, nil
	}
	return c, json.Unmarshal(r.Choices, &c.Choices)
}

func (t channelTx) SaveConnection(ctx context.Context, c *channels.Connection) error {
	r := connectionRow{
		ID: string(c.ID), Platform: c.Platform, Instance: c.Instance, Stage: string(c.Stage), Form: c.Form, Channels: []string{},
		Choices: json.RawMessage("[]"), Reason: c.Reason, Message: c.Message, ReturnURL: c.ReturnURL, Reconnect: string(c.Reconnect),
		UserID: string(c.User), KeyID: c.Key, StateHash: c.StateHash, BindingHash: c.BindingHash, Sealed: c.Sealed,
		Version: c.Version + 1, CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt,
	}
	for _, id := range c.Channels {
		r.Channels = append(r.Channels, string(id))
	}
	if len(c.Choices) > 0 {
		choices, err := json.Marshal(c.Choices)
		if err != nil {
			return err
		}
		r.Choices = choices
	}
	q := t.change(&r).ExcludeColumn("id", "created_at").Where("n.id = ? and n.version = ?", r.ID, c.Version)
	if err := t.save(ctx, c.Version, &r, q); err != nil {
		return err
	}
	c.Version++
	return nil
}

// appRow is a row of channel_apps.
type appRow struct {
	bun.BaseModel `bun:"table:channel_apps,alias:a"`

	Platform   string            `bun:"platform"`
	Instance   string            `bun:"instance"`
	ClientID   string            `bun:"client_id"`
	Settings   map[string]string `bun:"settings,type:jsonb"`
	Sealed     []byte            `bun:"sealed"`
	Registered string            `bun:"registered"`
	Version    int               `bun:"version"`
}

func (t channelTx) App(ctx context.Context, platform, instance string) (*channels.App, error) {
	var r appRow
	if err := t.locked(t.find(&r).Where("a.platform = ? and a.instance = ?", platform, instance)).Scan(ctx); err != nil {
		return nil, missing(err, "app.not_found", "There is no such app.")
	}
	return &channels.App{
		Platform: r.Platform, Instance: r.Instance, ClientID: r.ClientID, Settings: r.Settings, Sealed: r.Sealed,
		Registered: r.Registered, Version: r.Version,
	}, nil
}

func (t channelTx) SaveApp(ctx context.Context, a *channels.App) error {
	if err := a.Check(); err != nil {
		return err
	}
	r := appRow{
		Platform: a.Platform, Instance: a.Instance, ClientID: a.ClientID, Settings: map[string]string{}, Sealed: a.Sealed,
		Registered: a.Registered, Version: a.Version + 1,
	}
	if a.Settings != nil {
		r.Settings = a.Settings
	}
	q := t.change(&r).Column("client_id", "settings", "sealed", "registered", "version").Set("updated_at = now()").
		Where("a.platform = ? and a.instance = ? and a.version = ?", a.Platform, a.Instance, a.Version)
	if err := t.save(ctx, a.Version, &r, q); err != nil {
		return err
	}
	a.Version++
	return nil
}
