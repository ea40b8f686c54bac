package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
)

// Things that are done to an installation.
const (
	killServer = "server"
	killWorker = "worker"
	killPlugin = "plugin"
	freeze     = "freeze"
	restart    = "database"
)

// points are where workers kill themselves, in turn.
var points = []publishing.Point{publishing.AtArmed, publishing.AtSent, publishing.AtClaimed, publishing.AtPrepared, publishing.AtSettled}

// trouble is what happens during one experiment: half of the kills at points
// of the protocol, which workers inflict on themselves, and everything else
// from outside.
type trouble struct {
	rig  *rig
	stop context.CancelFunc
	done sync.WaitGroup

	mu       sync.Mutex
	dice     *rand.Rand
	fates    []publishing.Point // of lives to come
	cold     []publishing.Point // where lives to come stand still
	chance   float64
	kills    map[string]int
	atPoints map[string]int
	freezes  map[string]int
	restarts int
	fell     int          // ends by themselves that nobody wished for
	mercy    map[int]int  // plugins killed, by the host's pid
	most     int          // of them
	plugins  bool         // they are what is frozen
	still    map[int]bool // pids that were frozen, by whomever
	missed   []string     // there was no time for
	over     bool
}

// begin starts breaking things, and goes on until end.
func begin(ctx context.Context, r *rig, e experiment) *trouble {
	ctx, stop := context.WithCancel(ctx)
	t := &trouble{
		rig: r, stop: stop, dice: e.dice(1), kills: map[string]int{}, atPoints: map[string]int{}, mercy: map[int]int{}, still: map[int]bool{},
		chance: e.chance(), freezes: map[string]int{}, most: 3, plugins: e.Plugins,
	}
	if e.Plugins {
		t.most = 12
	}
	for i := range e.atPoints() {
		t.fates = append(t.fates, points[i%len(points)])
	}
	for i := range e.Freezes {
		t.cold = append(t.cold, points[i%2]) // armed and sent
	}
	r.server.attend(nil, t.note(killServer))
	for _, w := range r.workers {
		w.attend(t.fate, t.note(killWorker))
		t.act(ctx, w.kill, killWorker) // begins its first life with a fate
	}
	acts := t.acts(e, len(r.workers))
	t.done.Go(func() { t.perform(ctx, acts, e.length()) })
	t.done.Go(func() { t.wakeUp(ctx) })
	return t
}

// acts are the things done from outside, in the order in which they are done.
func (t *trouble) acts(e experiment, done int) (acts []string) {
	kinds := []string{killWorker, killPlugin, killServer}
	if e.Plugins {
		kinds = []string{killPlugin, killPlugin, killPlugin, killWorker, killPlugin, killServer}
	}
	for i := range max(e.Kills-e.atPoints()-done, 0) {
		acts = append(acts, kinds[i%len(kinds)])
	}
	for range e.Freezes {
		acts = append(acts, freeze)
	}
	if t.rig.place.private != nil {
		for range e.Restarts {
			acts = append(acts, restart)
		}
	}
	t.dice.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	return acts
}

func (t *trouble) perform(ctx context.Context, acts []string, length time.Duration) {
	for i, act := range acts {
		gap := length / time.Duration(len(acts)+1)
		pause(ctx, gap/2+time.Duration(t.roll(int(gap))))
		if ctx.Err() != nil {
			t.mu.Lock()
			t.missed = append(t.missed, acts[i:]...)
			t.mu.Unlock()
			return
		}
		t.do(ctx, act)
	}
}

// do does one thing.
func (t *trouble) do(ctx context.Context, act string) {
	switch act {
	case freeze:
		t.freeze(ctx)
		return
	case restart:
		if err := t.rig.place.restartDatabase(context.WithoutCancel(ctx)); err != nil {
			fmt.Fprintln(os.Stderr, "crash:", err)
			return
		}
		t.mu.Lock()
		t.restarts++
		t.mu.Unlock()
		return
	}
	t.act(ctx, func() bool { return t.kill(act) }, act)
}

// act kills something and counts it. A victim that is just being born is
// waited for.
func (t *trouble) act(ctx context.Context, kill func() bool, what string) {
	for range 100 {
		if kill() {
			t.count(what)
			return
		}
		if pause(ctx, 100*time.Millisecond); ctx.Err() != nil {
			t.mu.Lock()
			t.missed = append(t.missed, what)
			t.mu.Unlock()
			return
		}
	}
}

func (t *trouble) kill(what string) bool {
	switch what {
	case killServer:
		return t.rig.server.kill()
	case killWorker:
		return t.worker().kill()
	}
	w := t.worker()
	host, pid := w.pid(), w.plugin()
	t.mu.Lock()
	spared := t.mercy[host] >= t.most // hosts rest a plugin that falls too often
	t.mu.Unlock()
	if pid == 0 || spared || syscall.Kill(pid, syscall.SIGKILL) != nil {
		return false
	}
	t.mu.Lock()
	t.mercy[host]++
	t.mu.Unlock()
	return true
}

func (t *trouble) worker() *life { return t.rig.workers[t.roll(len(t.rig.workers))] }

// freeze stops a worker or its plugin for longer than something it must not
// outsleep: what is fresh, a call, or a lease.
func (t *trouble) freeze(ctx context.Context) {
	w := t.worker()
	long := []time.Duration{timing.Fresh * 3 / 2, timing.Commit * 3 / 2, timing.Lease + settle + 2*time.Second}[t.roll(3)]
	host, child := w.pid(), w.plugin()
	if (t.plugins || t.roll(3) == 0) && child != 0 {
		if syscall.Kill(child, syscall.SIGSTOP) != nil {
			return
		}
		t.thaw(ctx, killPlugin, long, func() { _ = syscall.Kill(child, syscall.SIGCONT) }) // it may be gone
		return
	}
	if t.first(host) && w.signal(host, syscall.SIGSTOP) {
		t.thaw(ctx, killWorker, long, func() { w.signal(host, syscall.SIGCONT) })
	}
}

// wakeUp looks for workers that stand still where they were told to, and wakes
// each when somebody else has long taken over.
func (t *trouble) wakeUp(ctx context.Context) {
	for ; ctx.Err() == nil; pause(ctx, 200*time.Millisecond) {
		for _, w := range t.rig.workers {
			if pid := w.froze(); pid != 0 && t.first(pid) {
				t.thaw(ctx, "point", timing.Lease+settle+2*time.Second, func() { w.signal(pid, syscall.SIGCONT) })
			}
		}
	}
}

// first reports whether pid was not frozen before. Once is enough for a life.
func (t *trouble) first(pid int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.still[pid]
	t.still[pid] = true
	return !known
}

func (t *trouble) thaw(ctx context.Context, what string, after time.Duration, wake func()) {
	t.mu.Lock()
	t.freezes[what]++
	t.mu.Unlock()
	t.done.Go(func() {
		pause(ctx, after)
		wake()
	})
}

// fate is the environment of a worker's next life.
func (t *trouble) fate() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.fates) == 0 || t.over {
		return nil
	}
	point := t.fates[0]
	t.fates = t.fates[1:]
	env := []string{fmt.Sprintf("CARILLON_CRASH_AT=%s:%.3f", point, t.chance), fmt.Sprint("CARILLON_CRASH_SEED=", t.dice.Uint64())}
	if len(t.cold) > 0 && t.dice.IntN(2) == 0 {
		env = append(env, fmt.Sprintf("CARILLON_FREEZE_AT=%s:%.3f", t.cold[0], min(4*t.chance, 1)))
		t.cold = t.cold[1:]
	}
	return env
}

// note hears of every end. A life that was ended from outside before its fate
// caught up with it hands the fate on.
func (t *trouble) note(what string) func(fate string, code int, byItself bool) {
	return func(fate string, code int, byItself bool) {
		point, _, _ := strings.Cut(strings.TrimPrefix(fate, "CARILLON_CRASH_AT="), ":")
		t.mu.Lock()
		defer t.mu.Unlock()
		switch {
		case byItself && code == -1 && fate != "":
			t.atPoints[point]++
			t.kills["point"]++
		case byItself:
			t.fell++
			fmt.Fprintf(os.Stderr, "crash: a %s ended by itself, status %d\n", what, code)
		}
		if fate != "" && !t.over && (!byItself || code != -1) {
			t.fates = append(t.fates, publishing.Point(point))
		}
	}
}

func (t *trouble) count(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kills[what]++
}

func (t *trouble) roll(n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dice.IntN(n)
}

// end stops breaking things, once as many were killed as was asked for: fates
// that never came become kills from outside. Whoever is alive afterwards has
// no fate.
func (t *trouble) end(ctx context.Context) {
	t.stop()
	t.done.Wait()
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	for _, w := range t.rig.workers {
		if w.doomed() {
			t.act(ctx, w.kill, killWorker)
		}
	}
	for range t.fates {
		t.missed = append(t.missed, killWorker)
	}
	for _, act := range t.missed {
		if act != freeze && act != restart {
			t.do(ctx, act)
		}
	}
}
