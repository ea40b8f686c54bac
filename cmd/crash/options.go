package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
)

// options are what a person asks for.
type options struct {
	Seed        uint64
	Posts       int
	Kills       int
	Control     int
	NativeKey   bool
	Plugins     bool
	Binary      string
	Dir         string
	DatabaseURL string
}

// An experiment is one run.
type experiment struct {
	Name      string
	Seed      uint64
	Posts     int
	Kills     int
	Freezes   int
	Restarts  int // of the database
	NativeKey bool
	Plugins   bool // most of the kills and all of the freezes are of plugins
	Protocol  bool
}

func (o options) experiment() experiment {
	return experiment{
		Name: "main", Seed: o.Seed, Posts: o.Posts, Kills: o.Kills, Freezes: o.Kills / 6,
		Restarts: (o.Kills + 19) / 20, NativeKey: o.NativeKey, Plugins: o.Plugins, Protocol: true,
	}
}

// control is a run without the protocol, on a network that cannot help.
func (o options) control() experiment {
	return experiment{Name: "control", Seed: o.Seed, Posts: o.Control, Kills: 2}
}

// limit ends the driver whatever happens.
func (o options) limit() time.Duration {
	return 5*time.Minute + o.experiment().length() + o.experiment().patience() + o.control().length() + o.control().patience()
}

// timing is production's, shortened so that a run ends in minutes. The proportions
// are kept: what must be longer than what.
var timing = publishing.Timing{Lease: 10 * time.Second, Step: 4 * time.Second, Commit: 4 * time.Second, Fresh: time.Second}

// The network's own delays. A lost call is looked up once all of them have
// passed: the call, the network's slowest acceptance and its index.
const (
	slowFor  = 2 * time.Second
	indexLag = time.Second
	settle   = 8 * time.Second
)

func timingEnv() string {
	return fmt.Sprintf("%s,%s,%s,%s", timing.Lease, timing.Step, timing.Commit, timing.Fresh)
}

// length is how long posts are written and things are broken.
func (e experiment) length() time.Duration {
	return max(time.Duration(e.Posts)*300*time.Millisecond, time.Duration(e.Kills)*2500*time.Millisecond) * e.pace() / 100
}

// chance is how likely a worker dies whenever it passes the point that it is
// to die at. A long run has time to wait for it.
func (e experiment) chance() float64 {
	return min(float64(e.Kills)/2/float64(e.Posts)*(1+100/float64(e.Posts)), 0.3)
}

// atPoints is how many of the kills workers inflict on themselves.
func (e experiment) atPoints() int {
	if e.Plugins {
		return e.Kills / 10
	}
	return e.Kills / 2
}

// pace is how long the control takes in percent: nobody waits for its kills.
func (e experiment) pace() time.Duration {
	if e.Protocol {
		return 100
	}
	return 25
}

// patience is how long everything may take to settle once nothing is broken
// any more: several leases and quiet periods in a row, for a thread.
func (e experiment) patience() time.Duration { return 4 * time.Minute }

// dice are the chances of one purpose.
func (e experiment) dice(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(e.Seed, purpose))
}

// chances are what the network does to posts, as arguments of its command.
func (e experiment) chances() []string {
	out := []string{
		"--limit=0.02", "--reset=0.02", "--unavailable=0.02", "--slow=0.04", "--drop-reply=0.04",
		"--fail-after-accept=0.03", "--garble=0.02", "--stall=0.02", "--expire=0.01",
		"--slow-for=" + slowFor.String(), "--index-lag=" + indexLag.String(), fmt.Sprint("--seed=", e.Seed),
	}
	if e.NativeKey {
		return append(out, "--native-key")
	}
	return append(out, "--unmarked") // what is looked up is known by its words alone
}
