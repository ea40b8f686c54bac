package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/carillonhq/carillon/tenants"
)

// hints paces the notifications of events. PostgreSQL lets one transaction
// that notifies commit at a time, flush included and across all databases, so
// a burst that notified in every commit would run at the pace of a single
// disk. At most one transaction in hintGap notifies by itself, which is every
// one in quiet times; tenants of the others are told soon after, together.
//
// That may be before the commit, so they are told twice, and a hint that comes
// too early or never costs a watcher a moment (see adapters/stream) and no event.
type hints struct {
	mu    sync.Mutex
	last  time.Time
	owed  map[tenants.ID]int // how often to tell
	armed bool
}

const (
	hintGap  = 20 * time.Millisecond
	hintWait = 100 * time.Millisecond
	hintSend = 2
)

// hint reports whether the transaction may notify by itself, and otherwise
// sees to it that tenant is told.
func (db *DB) hint(tenant tenants.ID) bool {
	h := &db.hints
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.Sub(h.last) >= hintGap {
		h.last = now
		return true
	}
	if h.owed == nil {
		h.owed = map[tenants.ID]int{}
	}
	h.owed[tenant] = hintSend
	h.arm(db)
	return false
}

// arm sends what is owed after hintWait. h.mu is held.
func (h *hints) arm(db *DB) {
	if !h.armed && len(h.owed) > 0 {
		h.armed = true
		time.AfterFunc(hintWait, db.sendHints)
	}
}

func (db *DB) sendHints() {
	h := &db.hints
	h.mu.Lock()
	told := make([]string, 0, len(h.owed))
	for tenant := range h.owed {
		told = append(told, string(tenant))
		if h.owed[tenant]--; h.owed[tenant] == 0 {
			delete(h.owed, tenant)
		}
	}
	h.armed = false
	h.arm(db)
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// A failure is not worth a word: watchers look by themselves.
	_, _ = db.app.pool.Exec(ctx, "select pg_notify($1, t) from unnest($2::text[]) t", eventsChannel, told)
}
