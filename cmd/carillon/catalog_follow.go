package main

import (
	"context"
	"path/filepath"
	"time"
)

// syncEvery is how often the catalog is looked at although nothing was heard:
// what did not start is tried again then.
const syncEvery = 30 * time.Second

// follow makes this process run what the catalog says, until ctx is done. It
// does so once, however often it is asked.
func (k *kernel) follow(ctx context.Context) {
	if !k.following.CompareAndSwap(false, true) {
		return
	}
	changed := make(chan struct{}, 1)
	changed <- struct{}{}
	go k.listenPlugins(ctx, changed)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
		if err := k.deployer.Sync(ctx); err != nil && ctx.Err() == nil {
			k.log.WarnContext(ctx, "the catalog is not followed", "err", err)
			continue
		}
		if s, err := k.bundles.store(ctx); err == nil {
			if err := s.Sweep(k.deployer.InUse()); err != nil {
				k.log.WarnContext(ctx, "bundles not swept", "dir", filepath.Join(k.cfg.StateDir, "plugins"), "err", err)
			}
		}
	}
}

// listenPlugins passes notifications on, and begins anew when the database was away.
func (k *kernel) listenPlugins(ctx context.Context, changed chan<- struct{}) {
	for ctx.Err() == nil {
		err := k.db.ListenPlugins(ctx, func() {
			k.channels.ForgetApps()
			select {
			case changed <- struct{}{}:
			default: // it is about to look anyway
			}
		})
		if ctx.Err() == nil {
			k.log.WarnContext(ctx, "not listening for plugins", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
