package catalog

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// maxKeyName is the longest name of a key, in characters.
const maxKeyName = 120

// keySize is the size of an ed25519 public key, in bytes.
const keySize = 32

// Trust makes a key one whose signature makes a plugin Verified. It counts for
// what comes in from now on. id has to be the name that bundles know it by.
func (s *Service) Trust(ctx context.Context, who tenants.Scope, k Key) (Key, error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return Key{}, err
	}
	k.Name = strings.TrimSpace(k.Name)
	switch n := utf8.RuneCountInString(k.Name); {
	case len(k.Public) != keySize || k.ID == "":
		return Key{}, badKey()
	case n < 1 || n > maxKeyName:
		return Key{}, fault.New(fault.Invalid, "plugin.bad_key_name", "Say whose key it is, in at most %d characters.", maxKeyName).On("/name")
	}
	k.AddedBy, k.AddedAt = who.Actor(), s.Now()
	err := s.Store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		if err := tx.SaveKey(ctx, k); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "plugin_key.trust", k.ID, "name", k.Name))
	})
	return k, err
}

// Keys lists the trusted keys by id.
func (s *Service) Keys(ctx context.Context, who tenants.Scope) (out []Key, err error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		out, err = tx.Keys(ctx)
		return err
	})
	return out, err
}

// Distrust takes a key away. What it signed stays, as Community: what runs was
// accepted, and what comes next waits, also if the same key signed it.
func (s *Service) Distrust(ctx context.Context, who tenants.Scope, id string) error {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return err
	}
	return s.Store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		if err := tx.DropKey(ctx, id); err != nil {
			return err
		}
		plugins, err := tx.Plugins(ctx)
		if err != nil {
			return err
		}
		for i := range plugins {
			if err := s.lower(ctx, tx, who, &plugins[i], id); err != nil {
				return err
			}
		}
		return tx.Record(ctx, audit.By(who, "plugin_key.distrust", id))
	})
}

// lower makes what a key vouched for Community, and the key one that nobody
// accepted.
func (s *Service) lower(ctx context.Context, tx Tx, who tenants.Scope, p *Plugin, key string) error {
	all, err := tx.Versions(ctx, p.ID)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].Key != key || all[i].Level != Verified {
			continue
		}
		all[i].Level = Community
		if err := tx.SaveVersion(ctx, &all[i]); err != nil {
			return err
		}
	}
	if p.Signer != key {
		return nil
	}
	if p.Signer = ""; p.Level == Verified {
		p.Level = Community
	}
	return s.keep(ctx, tx, who, p, nil, []string{EventUpdated})
}
