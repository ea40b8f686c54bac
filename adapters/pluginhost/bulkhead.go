package pluginhost

import (
	"context"
	"sync"
	"time"
)

// How many calls a plugin answers at once, in all and of one tenant, so that
// one tenant's slow uploads leave room for the others.
const (
	maxInFlight  = 64
	maxPerTenant = 8
)

// bulkhead counts the calls in flight.
type bulkhead struct {
	all, each int

	mu       sync.Mutex
	total    int
	byTenant map[string]int
	freed    chan struct{} // closed and replaced when a slot becomes free
}

func newBulkhead(all, each int) *bulkhead {
	return &bulkhead{all: all, each: each, byTenant: map[string]int{}, freed: make(chan struct{})}
}

// acquire takes a slot, waiting for one no longer than patience. release is
// called once, when the call is over.
func (b *bulkhead) acquire(ctx context.Context, tenant string) (release func(), err error) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		freed, ok := b.try(tenant)
		if ok {
			return func() { b.release(tenant) }, nil
		}
		select {
		case <-freed:
		case <-limit.C:
			return nil, down("plugin.busy", patience, nil)
		case <-ctx.Done():
			return nil, down("plugin.busy", 0, ctx.Err())
		}
	}
}

func (b *bulkhead) try(tenant string) (freed <-chan struct{}, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total >= b.all || b.byTenant[tenant] >= b.each {
		return b.freed, false
	}
	b.total++
	b.byTenant[tenant]++
	return nil, true
}

func (b *bulkhead) release(tenant string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total--
	if b.byTenant[tenant]--; b.byTenant[tenant] == 0 {
		delete(b.byTenant, tenant)
	}
	close(b.freed)
	b.freed = make(chan struct{})
}

func (b *bulkhead) inUse() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total
}
