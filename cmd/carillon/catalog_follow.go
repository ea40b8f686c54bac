package main

import (
	"context"
	"path/filepath"
	"time"
)

// syncEvery is how often the catalog is looked at although nothing was heard:
// what did not start is tried again then.
const syncEvery = 30 * time.Second

// maxRounds is how many looks may be under way: each ends with the slowest plugin
// that it starts, and what is heard meanwhile is not to wait for that.
const maxRounds = 16

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
	rounds := make(chan struct{}, maxRounds)
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
		select {
		case <-ctx.Done():
			return
		case rounds <- struct{}{}:
		}
		go func() {
			defer func() { <-rounds }()
			k.catchUp(ctx)
		}()
	}
}

// catchUp follows the catalog once and lets go of bundles that nobody needs. A
// plugin that does not run keeps no other's bundles.
func (k *kernel) catchUp(ctx context.Context) {
	if err := k.deployer.Sync(ctx); err != nil && ctx.Err() == nil {
		k.log.WarnContext(ctx, "the catalog is not followed", "err", err)
	}
	used := k.deployer.InUse()
	if used == nil || ctx.Err() != nil {
		return
	}
	s, err := k.bundles.store(ctx)
	if err != nil {
		return // there are none without it
	}
	if err := s.Sweep(used); err != nil {
		k.log.WarnContext(ctx, "bundles not swept", "dir", filepath.Join(k.cfg.StateDir, "plugins"), "err", err)
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
