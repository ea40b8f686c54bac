package admintest

import (
	"context"
	"maps"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

func (tx *memTx) AddBlock(_ context.Context, b *admin.Block) error {
	for name, old := range tx.blocks {
		switch {
		case !old.ExpiresAt.IsZero() && !b.CreatedAt.Before(old.ExpiresAt):
			delete(tx.blocks, name)
		case old.Range == b.Range:
			return fault.New(fault.Conflict, "block.exists", "This range is blocked already.").On("/range")
		}
	}
	tx.blocks[b.ID] = *b
	return nil
}

func (tx *memTx) DropBlock(_ context.Context, name string) error {
	if _, ok := tx.blocks[name]; !ok {
		return missing("block.not_found")
	}
	delete(tx.blocks, name)
	return nil
}

func (tx *memTx) Maintenance(context.Context) (admin.Maintenance, error) { return tx.maintenance, nil }

func (tx *memTx) SaveMaintenance(_ context.Context, m admin.Maintenance) error {
	tx.maintenance = m
	return nil
}

func (tx *memTx) Hold(context.Context, string) (bool, error) {
	was := tx.paused
	tx.paused = true
	return !was, nil
}

func (tx *memTx) Release(context.Context) error {
	tx.paused = false
	return nil
}

func (tx *memTx) SaveFlag(_ context.Context, f *admin.Flag) error {
	tx.flags[f.Name] = *f
	return nil
}

func (tx *memTx) DropFlag(_ context.Context, name string) error {
	if _, ok := tx.flags[name]; !ok {
		return missing("flag.not_found")
	}
	delete(tx.flags, name)
	maps.DeleteFunc(tx.overrides, func(o override, _ bool) bool { return o.flag == name })
	return nil
}

func (tx *memTx) SaveOverride(_ context.Context, tenant tenants.ID, flag string, on *bool, _ string, _ time.Time) error {
	key := override{tenant, flag}
	_, there := tx.overrides[key]
	switch _, known := tx.flags[flag]; {
	case on == nil && !there:
		return missing("override.not_found")
	case on == nil:
		delete(tx.overrides, key)
		return nil
	case !known:
		return missing("flag.not_found")
	}
	tx.overrides[key] = *on
	return nil
}
