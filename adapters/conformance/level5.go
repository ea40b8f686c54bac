package conformance

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
)

// What may be left after a load, over what there was after warming up.
const (
	spareMemory = 64 << 20 // bytes
	spareFiles  = 64
)

// level5 publishes many objects at once and looks at what stays behind.
func level5(ctx context.Context, b *bench) {
	b.again()
	load := Load{cmp.Or(b.opt.Load.Publications, 500), cmp.Or(b.opt.Load.AtOnce, 16)}
	b.check(ctx, 5, "load", fmt.Sprintf("%d publications, %d at once, and nothing stays behind", load.Publications, load.AtOnce), "load",
		func(ctx context.Context) error { return b.load(ctx, load) })
}

func (b *bench) load(ctx context.Context, load Load) error {
	if len(b.happy) == 0 {
		return untried{"nothing was published on level 1"}
	}
	if _, err := b.plugin(ctx); err != nil {
		return err
	}
	if _, err := b.burst(ctx, Load{max(load.Publications/10, load.AtOnce), load.AtOnce}); err != nil {
		return err
	}
	before, err := b.count(ctx)
	if err != nil {
		return err
	}
	pid := b.session.PID()
	warm := usage(pid)
	begun := time.Now()
	took, err := b.burst(ctx, load)
	if err != nil {
		return err
	}
	all := time.Since(begun)
	after, err := b.count(ctx)
	if err != nil {
		return err
	}
	if after-before != load.Publications {
		return broke(fmt.Sprintf("%d objects", load.Publications), "left %d", after-before)
	}
	if now := b.session.PID(); now != pid {
		return broke("one process for all of it", "did not: process %d became %d", pid, now)
	}
	return b.left(took, all, warm, usage(pid))
}

// left reports the figures and what has grown.
func (b *bench) left(took []time.Duration, all time.Duration, warm, now footprint) error {
	slices.Sort(took)
	at := func(q float64) string {
		return took[min(int(q*float64(len(took))), len(took)-1)].Round(100 * time.Microsecond).String()
	}
	b.report.Figures = append(b.report.Figures,
		Figure{"publications a second", fmt.Sprintf("%.0f", float64(len(took))/all.Seconds())},
		Figure{"p50 of one", at(.5)}, Figure{"p95 of one", at(.95)}, Figure{"p99 of one", at(.99)},
		Figure{"memory after", fmt.Sprintf("%.1f MiB", float64(now.memory)/(1<<20))},
		Figure{"memory grown by", fmt.Sprintf("%.1f MiB", float64(now.memory-warm.memory)/(1<<20))},
		Figure{"open files after", strconv.Itoa(now.files)},
	)
	switch {
	case now.memory-warm.memory > max(spareMemory, warm.memory/2):
		return broke("memory that does not grow with the number of publications", "grew from %d to %d KiB", warm.memory>>10, now.memory>>10)
	case now.files-warm.files > spareFiles:
		return broke("files and connections that are closed again", "grew from %d open files to %d", warm.files, now.files)
	}
	return nil
}

// burst publishes load.Publications objects and returns how long each took.
func (b *bench) burst(ctx context.Context, load Load) ([]time.Duration, error) {
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	work := make(chan int)
	var wg sync.WaitGroup
	for range load.AtOnce {
		wg.Go(func() {
			for n := range work {
				d, err := b.loaded(ctx, n)
				mu.Lock()
				took, failed = append(took, d), cmp.Or(failed, err)
				mu.Unlock()
			}
		})
	}
	for n := range load.Publications {
		work <- n
	}
	close(work)
	wg.Wait()
	return took, failed
}

// loaded publishes one object as one of several tenants.
func (b *bench) loaded(ctx context.Context, n int) (time.Duration, error) {
	t := b.take(b.textOnly().fresh())
	t.Request.Call.Tenant = fmt.Sprintf("tenant-%d", n%8)
	begun := time.Now()
	records := t.Run(ctx, b.stage, b.session.Plugin, b.opt.Pause, nil)
	if t.Phase != rehearsal.Published {
		if err := written(last(records).Fault); err != nil {
			return 0, err
		}
		return 0, broke("every object is published", "%s", told(last(records)))
	}
	return time.Since(begun), nil
}

// footprint is what a process holds. Zero where the system does not say.
type footprint struct {
	memory int64 // bytes resident
	files  int
}

func usage(pid int) footprint {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	var f footprint
	if text, err := os.ReadFile(filepath.Join(dir, "statm")); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			f.memory = pages * int64(os.Getpagesize())
		}
	}
	if open, err := os.ReadDir(filepath.Join(dir, "fd")); err == nil {
		f.files = len(open)
	}
	return f
}
