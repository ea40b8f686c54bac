package channels

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// signedIn asks what the credential can post to. One account is connected at
// once; of several, the person chooses.
func (a *attempt) signedIn(ctx context.Context, sec secret) error {
	lister, ok := a.platform.(social.Lister)
	if !ok {
		return social.Fail(social.Unsupported, "platform.no_accounts", "This platform does not say which accounts there are.")
	}
	call, err := a.call(ctx, sec.Credential)
	if err != nil {
		return err
	}
	accounts, err := lister.Accounts(ctx, call)
	if err != nil {
		return err
	}
	if accounts, err = a.suitable(ctx, accounts); err != nil {
		return err
	}
	a.in = signIn{App: a.in.App, Secret: &sec}
	if len(accounts) == 1 {
		return a.connect(ctx, accounts)
	}
	a.conn.settle(AwaitsChoice)
	a.conn.Choices = accounts
	return a.keep(ctx)
}

// suitable leaves the account to repair, or all.
func (a *attempt) suitable(ctx context.Context, accounts []social.Account) ([]social.Account, error) {
	if len(accounts) == 0 {
		return nil, fault.New(fault.Invalid, "connection.no_account", "This sign-in has no account to post to.")
	}
	if a.conn.Reconnect == "" {
		return accounts, nil
	}
	var want *Channel
	err := a.Store.View(ctx, a.who.Tenant, func(ctx context.Context, tx Tx) (err error) {
		want, err = tx.Channel(ctx, a.conn.Reconnect)
		return err
	})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(accounts, func(acc social.Account) bool {
		return acc.ID == want.Account.ID && homeOf(a.conn.Instance, acc.ID) == want.Home()
	})
	if i < 0 {
		return nil, fault.New(fault.Invalid, "connection.other_account", "You signed in to another account than this channel's.")
	}
	return accounts[i : i+1], nil
}

// connect turns the chosen accounts into channels on one new grant.
func (a *attempt) connect(ctx context.Context, accounts []social.Account) error {
	g, err := a.grant(ctx)
	if err != nil {
		return err
	}
	for range connectTries {
		var conn Connection
		if conn, err = a.save(ctx, g, accounts); err == nil {
			*a.conn = conn
		}
		if !fault.Is(err, fault.Conflict) {
			break
		}
	}
	return err
}

// connectTries bounds how often a busy channel is tried again.
const connectTries = 3

func (a *attempt) save(ctx context.Context, g *Grant, accounts []social.Account) (Connection, error) {
	conn := *a.conn
	conn.settle(Done)
	conn.Channels = nil
	err := a.Store.Update(ctx, a.who.Tenant, func(ctx context.Context, tx Tx) error {
		if err := tx.AddGrant(ctx, g); err != nil {
			return err
		}
		for _, account := range accounts {
			id, err := a.channel(ctx, tx, account, g)
			if err != nil {
				return err
			}
			conn.Channels = append(conn.Channels, id)
		}
		if err := tx.DropGrants(ctx); err != nil {
			return err
		}
		return tx.SaveConnection(ctx, &conn)
	})
	return conn, err
}

// grant seals what the platform handed over.
func (a *attempt) grant(ctx context.Context) (*Grant, error) {
	if a.in.Secret == nil {
		return nil, fault.New(fault.Internal, "connection.lost", "This sign-in was lost. Please start again.")
	}
	cred := a.in.Secret.Credential
	g := &Grant{
		ID: NewGrantID(), Platform: a.conn.Platform, Instance: a.conn.Instance, App: a.in.App, Generation: 1, Scopes: cred.Scopes,
	}
	g.schedule(a.Now(), cred.ExpiresAt, a.in.Secret.renewable(a.manifest))
	var err error
	g.Sealed, err = a.seal(ctx, a.who.Tenant, grantPlace(g.ID, 1), a.in.Secret)
	return g, err
}

// channel puts one account on line, under the ID it had if it was here before.
func (a *attempt) channel(ctx context.Context, tx Tx, account social.Account, g *Grant) (ID, error) {
	ch, err := tx.ByAccount(ctx, a.conn.Platform, homeOf(a.conn.Instance, account.ID), account.ID)
	if fault.Is(err, fault.NotFound) {
		ch, err = &Channel{ID: NewID(), Platform: a.conn.Platform}, nil
	}
	if err != nil {
		return "", err
	}
	ch.connect(account, g, a.who.User, a.Now())
	if err := tx.SaveChannel(ctx, ch); err != nil {
		return "", err
	}
	if err := tx.Record(ctx, audit.By(a.who, "channel.connect", string(ch.ID), "platform", ch.Platform, "connection", string(a.conn.ID))); err != nil {
		return "", err
	}
	return ch.ID, emit(ctx, tx, EventConnected, ch)
}

func emit(ctx context.Context, tx Tx, event string, ch *Channel) error {
	return tx.Emit(ctx, event, string(ch.ID), EventData{Platform: ch.Platform, State: ch.State, Reason: ch.Reason, Paused: ch.Paused})
}

func grantPlace(id GrantID, generation int64) string {
	return place("channel_grants", string(id), "sealed", strconv.FormatInt(generation, 10))
}

// schedule decides when a credential is renewed: with a tenth of its life
// left, at least five minutes, but never before half of it has passed.
func (g *Grant) schedule(now, expires time.Time, renewable bool) {
	g.ExpiresAt, g.RefreshAt = expires, time.Time{}
	if expires.IsZero() || !renewable {
		return
	}
	life := expires.Sub(now)
	ahead := max(life/10, min(5*time.Minute, life/2))
	g.RefreshAt = expires.Add(-ahead)
}

// pseudonym is the name a plugin knows a tenant by: stable for it, useless to
// any other.
func (s *Service) pseudonym(t tenants.ID, platform string) string {
	mac := hmac.New(sha256.New, s.cfg.PseudonymKey)
	mac.Write([]byte(platform + "\x00" + string(t)))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

func fromPlatform(err error) bool {
	var f *social.Fault
	return errors.As(err, &f)
}
