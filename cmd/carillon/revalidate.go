package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
)

// lookout checks again what is scheduled, and says in the log, once a day, and
// to each tenant with channels there, once, which platforms are about to end
// the version of their API that is spoken.
type lookout struct {
	*publishing.Revalidator
	k       *kernel
	plugins channels.Plugins
	said    sync.Map
}

func newLookout(k *kernel, plugins channels.Plugins) *lookout {
	return &lookout{Revalidator: publishing.NewRevalidator(k.posts, k.db.Watch(), plugins), k: k, plugins: plugins}
}

// Revalidate implements jobs.Revalidator.
func (l *lookout) Revalidate(ctx context.Context) error {
	for _, m := range l.plugins.List(ctx) {
		ending := m.Ending(time.Now())
		if _, before := l.said.LoadOrStore(ending, true); ending != "" && !before {
			l.k.log.WarnContext(ctx, "a platform's API version ends", "plugin", m.ID, "api_version", m.APIVersion, "sunset", m.Sunset, "what", ending)
		}
	}
	return errors.Join(l.k.channels.TellSunsets(ctx), l.Revalidator.Revalidate(ctx))
}
