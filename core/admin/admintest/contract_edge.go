package admintest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/id"
)

func rangesAreBlockedOnce(t *testing.T, in Installation) {
	raw := [16]byte([]byte(word()[:16]))
	raw[0], raw[1] = 0x20, 0x01
	b := &admin.Block{ID: id.New("blk"), Range: netip.PrefixFrom(netip.AddrFrom16(raw), 128), Reason: "spam", By: "opr_x", CreatedAt: now(), ExpiresAt: now().Add(time.Hour)}
	blocked := func(name string) *admin.Block {
		e, err := in.Edge(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(e.Blocks, func(b admin.Block) bool { return b.ID == name }); i >= 0 {
			return &e.Blocks[i]
		}
		return nil
	}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.AddBlock(ctx, b) })
	if got := blocked(b.ID); got == nil || got.Range != b.Range || got.Reason != "spam" || got.By != "opr_x" || !got.ExpiresAt.Equal(b.ExpiresAt) {
		t.Errorf("%+v", got)
	}
	again := *b
	again.ID = id.New("blk")
	in.fails(t, "block.exists", func(ctx context.Context, tx admin.Tx) error { return tx.AddBlock(ctx, &again) })
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.DropBlock(ctx, b.ID) })
	in.fails(t, "block.not_found", func(ctx context.Context, tx admin.Tx) error { return tx.DropBlock(ctx, b.ID) })

	again.ExpiresAt = now().Add(-time.Second)
	again.CreatedAt = again.ExpiresAt.Add(-time.Hour)
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.AddBlock(ctx, &again) })
	if blocked(again.ID) != nil {
		t.Error("a block that is over still holds")
	}
	b.ID, b.ExpiresAt = id.New("blk"), time.Time{}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.AddBlock(ctx, b) })
	if got := blocked(b.ID); got == nil || !got.ExpiresAt.IsZero() {
		t.Errorf("%+v", got)
	}
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.DropBlock(ctx, b.ID) })
}

func flagsAndOverrides(t *testing.T, in Installation) {
	tenant, f := in.Tenant("Shop"), &admin.Flag{Name: "f" + word(), Description: "a test", On: true, By: "opr_x", At: now()}
	on, off := true, false
	override := func(flag string, on *bool) func(context.Context, admin.Tx) error {
		return func(ctx context.Context, tx admin.Tx) error {
			return tx.SaveOverride(ctx, tenant, flag, on, "opr_x", now())
		}
	}
	state := func() (got *admin.Flag, on, said bool) {
		e, err := in.Edge(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(e.Flags, func(g admin.Flag) bool { return g.Name == f.Name }); i >= 0 {
			got = &e.Flags[i]
		}
		on, said = e.Overrides[tenant][f.Name]
		return got, on, said
	}
	in.fails(t, "flag.not_found", override(f.Name, &on))
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveFlag(ctx, f) })
	if got, _, said := state(); got == nil || !got.On || got.Description != "a test" || got.By != "opr_x" || got.Overrides != 0 || said {
		t.Errorf("%+v, %v", got, said)
	}
	in.do(t, override(f.Name, &on))
	in.do(t, override(f.Name, &off))
	f.On = false
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveFlag(ctx, f) })
	if got, is, said := state(); got == nil || got.On || got.Overrides != 1 || !said || is {
		t.Errorf("%+v, %v %v", got, is, said)
	}
	in.do(t, override(f.Name, nil))
	in.fails(t, "override.not_found", override(f.Name, nil))
	in.do(t, override(f.Name, &on))
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.DropFlag(ctx, f.Name) })
	if got, _, said := state(); got != nil || said {
		t.Errorf("%+v, %v", got, said)
	}
	in.fails(t, "flag.not_found", func(ctx context.Context, tx admin.Tx) error { return tx.DropFlag(ctx, f.Name) })
}

func maintenanceIsOne(t *testing.T, in Installation) {
	if !in.Quiet {
		return // it would be everybody's
	}
	m := admin.Maintenance{On: true, Message: "Back soon.", RetryAfter: 90 * time.Second, StopPublish: true, Holds: true, By: "opr_x", At: now()}
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		if was, err := tx.Maintenance(ctx); err != nil || was.On {
			t.Errorf("%+v, %v", was, err)
		}
		for i, want := range []bool{true, false} {
			if going, err := tx.Hold(ctx, "moving"); err != nil || going != want {
				t.Errorf("hold %d: %v, %v", i, going, err)
			}
		}
		return errors.Join(tx.SaveMaintenance(ctx, admin.Maintenance{On: true, At: now()}), tx.SaveMaintenance(ctx, m))
	})
	e, err := in.Edge(t.Context())
	if e.Maintenance.At = e.Maintenance.At.UTC(); err != nil || e.Maintenance != m {
		t.Errorf("%+v, %v, want %+v", e.Maintenance, err, m)
	}
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		if err := tx.Release(ctx); err != nil {
			return err
		}
		going, err := tx.Hold(ctx, "moving")
		if !going {
			t.Error("it was not released")
		}
		return errors.Join(err, tx.Release(ctx), tx.SaveMaintenance(ctx, admin.Maintenance{At: now()}))
	})
}
