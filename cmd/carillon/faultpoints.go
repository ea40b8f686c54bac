//go:build faultpoints

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
)

// This file makes the build that the fault driver torments. It is not part of
// the product: nothing here is compiled without the tag. It reads
//
//	CARILLON_CRASH_AT=sent:0.05,armed:0.01  where to die, and how likely
//	CARILLON_FREEZE_AT=armed:0.1            where to stand still, once
//	CARILLON_CRASH_SEED=7                   of these chances
//	CARILLON_TIMING=10s,4s,4s,1s            lease, step, commit, fresh
//	CARILLON_PROTOCOL=off                   send again instead of finding out

// mortal is o in a process that kills itself at the points it was given.
func mortal(o publishing.Observer) publishing.Observer {
	crash, err1 := parsePoints("CARILLON_CRASH_AT")
	freeze, err2 := parsePoints("CARILLON_FREEZE_AT")
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	seed, _ := strconv.ParseUint(os.Getenv("CARILLON_CRASH_SEED"), 10, 64) // 0 is a seed too
	return &dying{Observer: o, crash: crash, freeze: freeze, dice: rand.New(rand.NewPCG(seed, 0))}
}

func parsePoints(variable string) (map[publishing.Point]float64, error) {
	chances := map[publishing.Point]float64{}
	for _, one := range strings.FieldsFunc(os.Getenv(variable), func(r rune) bool { return r == ',' }) {
		point, chance, _ := strings.Cut(one, ":")
		p, err := strconv.ParseFloat(chance, 64)
		if err != nil || p <= 0 || p > 1 {
			return nil, fmt.Errorf("%s: %q is not point:probability", variable, one)
		}
		chances[publishing.Point(point)] = p
	}
	return chances, nil
}

type dying struct {
	publishing.Observer
	mu            sync.Mutex
	dice          *rand.Rand
	crash, freeze map[publishing.Point]float64
}

// At implements publishing.Observer.
func (d *dying) At(p publishing.Point) {
	d.Observer.At(p)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dice.Float64() < d.freeze[p] {
		d.freeze = nil
		_, _ = fmt.Fprintf(os.Stderr, "freezing at %s\n", p)
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
	if d.dice.Float64() < d.crash[p] {
		_, _ = fmt.Fprintf(os.Stderr, "dying at %s\n", p)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way; nothing happens in between
	}
}

// hurry sets the times from the environment and returns the lease.
func hurry(r *publishing.Runner) time.Duration {
	if os.Getenv("CARILLON_PROTOCOL") == "off" {
		slog.Warn("the protocol is off: posts will be doubled")
		r.Forget()
	}
	text := os.Getenv("CARILLON_TIMING")
	if text == "" {
		return publishing.DefaultTiming.Lease
	}
	var t publishing.Timing
	fields := strings.Split(text, ",")
	for i, to := range []*time.Duration{&t.Lease, &t.Step, &t.Commit, &t.Fresh} {
		if i < len(fields) {
			*to, _ = time.ParseDuration(fields[i]) // zero is refused below
		}
	}
	if err := r.Within(t); err != nil {
		panic(err)
	}
	return t.Lease
}
