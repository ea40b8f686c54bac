package identity

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// What a member may be allowed to do with keys.
const (
	ActKeyRead   tenants.Action = "key.read"
	ActKeyManage tenants.Action = "key.manage"
)

// Keys is the use cases of API keys. It is safe for concurrent use.
type Keys struct {
	store   KeyStore
	authz   tenants.Authorizer
	version string
	now     func() time.Time
}

// NewKeys returns the use cases. version is the date that new keys are pinned
// to, such as "2026-11-01". Every argument is required.
func NewKeys(store KeyStore, authz tenants.Authorizer, version string, now func() time.Time) *Keys {
	return &Keys{store: store, authz: authz, version: version, now: now}
}

// Create makes a key. Nobody can hand on what they may not do: each scope is
// asked for on behalf of who. A key makes no other: what leaked could not be
// called back by revoking it.
func (k *Keys) Create(ctx context.Context, who tenants.Scope, n NewKey) (*IssuedKey, error) {
	if err := k.authz.Allow(ctx, who, ActKeyManage); err != nil {
		return nil, err
	}
	if err := inPerson(who); err != nil {
		return nil, err
	}
	now := k.now()
	asked := n.Scopes // in the caller's order, for pointers
	n, err := n.check(now)
	if err != nil {
		return nil, err
	}
	if err := k.mayHandOn(ctx, who, asked); err != nil {
		return nil, err
	}
	issued := k.issue(who, n, now)
	err = k.store.Update(ctx, who.Tenant, func(tx KeyTx) error {
		if err := room(ctx, tx, now); err != nil {
			return err
		}
		if err := tx.AddKey(ctx, &issued.Key, hash(issued.Secret)); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "key.create", string(issued.ID), "scopes", scopes(n.Scopes)))
	})
	if err != nil {
		return nil, err
	}
	return issued, nil
}

// inPerson refuses whoever a key cannot belong to.
func inPerson(who tenants.Scope) error {
	if err := who.InPerson(); err != nil {
		return fault.New(fault.Forbidden, "key.needs_a_person", "A key belongs to a person.").Because(err)
	}
	return nil
}

func (k *Keys) issue(who tenants.Scope, n NewKey, now time.Time) *IssuedKey {
	key := Key{
		ID: KeyID(id.At("key", now)), Name: n.Name, Scopes: n.Scopes, CreatedBy: who.User, Role: who.Role,
		APIVersion: k.version, CreatedAt: now, ExpiresAt: n.ExpiresAt,
	}
	return &IssuedKey{Key: key, Secret: newToken(key.Prefix())}
}

// mayHandOn returns fault.Invalid, fault.Forbidden or fault.Quota naming the
// scope at fault.
func (k *Keys) mayHandOn(ctx context.Context, who tenants.Scope, scopes []tenants.Action) error {
	for i, act := range scopes {
		at := fmt.Sprintf("/scopes/%d", i)
		switch f := fault.Of(k.authz.Allow(ctx, who, act)); {
		case f == nil:
		case f.Code == fault.Invalid:
			return fault.New(fault.Invalid, "key.unknown_scope", "There is nothing called %.64q to allow.", string(act)).On(at).Because(f)
		case f.Code == fault.Forbidden:
			return fault.New(fault.Forbidden, "key.scope_not_yours", "You cannot give a key %q.", act).On(at).Because(f)
		case f.Code == fault.Quota:
			return fault.New(f.Code, f.Reason, "%s", f.Message).On(at).Knowing(f.Facts).Because(f)
		default:
			return f
		}
	}
	return nil
}

// room refuses one key more than a tenant may have.
func room(ctx context.Context, tx KeyTx, now time.Time) error {
	all, err := tx.Keys(ctx)
	if err != nil {
		return err
	}
	live := 0
	for i := range all {
		if all[i].live(now) {
			live++
		}
	}
	if live >= MaxKeys {
		return fault.New(fault.Conflict, "key.too_many", "Revoke a key first: %d is the most.", MaxKeys)
	}
	return nil
}

// List returns every key of the tenant, revoked ones too, latest first.
func (k *Keys) List(ctx context.Context, who tenants.Scope) (list []Key, err error) {
	if err := k.authz.Allow(ctx, who, ActKeyRead); err != nil {
		return nil, err
	}
	err = k.store.View(ctx, who.Tenant, func(tx KeyTx) error {
		list, err = tx.Keys(ctx)
		return err
	})
	return list, err
}

// DefaultGrace and MaxGrace are how long a key that was rotated goes on working.
const (
	DefaultGrace = 24 * time.Hour
	MaxGrace     = 7 * 24 * time.Hour
)

// Rotate makes a key in place of another: with its name, its scopes and its end,
// made by who, who must be able to make such a one. The key before works for
// grace, and then no more; as long as it does, the two count as two. It returns
// fault.Conflict for one that does not work, and where there is no room for another.
func (k *Keys) Rotate(ctx context.Context, who tenants.Scope, name KeyID, grace time.Duration) (*IssuedKey, error) {
	if err := k.authz.Allow(ctx, who, ActKeyManage); err != nil {
		return nil, err
	}
	if err := inPerson(who); err != nil {
		return nil, err
	}
	if grace < 0 || grace > MaxGrace {
		return nil, fault.New(fault.Invalid, "key.grace", "Choose a time of at most %d hours.", int(MaxGrace.Hours())).On("/grace_hours")
	}
	var old *Key
	err := k.store.View(ctx, who.Tenant, func(tx KeyTx) (err error) {
		old, err = tx.Key(ctx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := k.mayHandOn(ctx, who, old.Scopes); err != nil {
		return nil, err
	}
	now := k.now()
	issued := k.issue(who, NewKey{Name: old.Name, Scopes: old.Scopes, ExpiresAt: old.ExpiresAt}, now)
	err = k.store.Update(ctx, who.Tenant, func(tx KeyTx) error {
		if err := endIn(ctx, tx, name, now, grace); err != nil {
			return err
		}
		if err := room(ctx, tx, now); err != nil {
			return err
		}
		if err := tx.AddKey(ctx, &issued.Key, hash(issued.Secret)); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "key.rotate", string(name), "key", string(issued.ID)))
	})
	if err != nil {
		return nil, err
	}
	return issued, nil
}

// endIn has a key that works end after grace, unless it ends before.
func endIn(ctx context.Context, tx KeyTx, name KeyID, now time.Time, grace time.Duration) error {
	old, err := tx.Key(ctx, name)
	if err != nil {
		return err
	}
	if !old.live(now) {
		return fault.New(fault.Conflict, "key.ended", "This key does not work any more. Make a new one.")
	}
	if end := now.Add(grace); old.ExpiresAt.IsZero() || old.ExpiresAt.After(end) {
		old.ExpiresAt = end
	}
	return tx.EndKey(ctx, old)
}

// Revoke ends a key at once and on every node. Doing it twice is harmless.
func (k *Keys) Revoke(ctx context.Context, who tenants.Scope, name KeyID) error {
	if err := k.authz.Allow(ctx, who, ActKeyManage); err != nil {
		return err
	}
	return k.store.Update(ctx, who.Tenant, func(tx KeyTx) error {
		key, err := tx.Key(ctx, name)
		if err != nil || !key.RevokedAt.IsZero() {
			return err
		}
		key.RevokedAt = k.now()
		if err := tx.RevokeKey(ctx, key); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "key.revoke", string(name)))
	})
}

func scopes(all []tenants.Action) string {
	names := make([]string, len(all))
	for i, act := range all {
		names[i] = string(act)
	}
	return strings.Join(names, " ")
}
