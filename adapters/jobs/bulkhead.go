package jobs

import (
	"sync"
	"time"

	"github.com/riverqueue/river"
)

// bulkhead keeps work that waits for strangers from filling the workers: a
// receiver that takes its full time to answer must not delay mail, or another
// tenant's receivers. Its zero value with limits is ready to use.
type bulkhead struct {
	all, each int // at most, in this process and for one tenant

	mu    sync.Mutex
	total int
	of    map[string]int
}

// snooze is how long work waits that finds no room. It counts as no attempt.
const snooze = 2 * time.Second

// do runs fn if there is room for key, and postpones the job otherwise.
func (b *bulkhead) do(key string, fn func() error) error {
	if !b.enter(key) {
		return river.JobSnooze(snooze)
	}
	defer b.leave(key)
	return fn()
}

func (b *bulkhead) enter(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total >= b.all || b.of[key] >= b.each {
		return false
	}
	if b.of == nil {
		b.of = map[string]int{}
	}
	b.total++
	b.of[key]++
	return true
}

func (b *bulkhead) leave(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total--
	if b.of[key]--; b.of[key] == 0 {
		delete(b.of, key)
	}
}
