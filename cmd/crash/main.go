// Command crash tries to make Carillon lose or double a post.
//
// It runs the real program: a server, two workers and their plugins, on a
// database of their own, against a practice network that is slow, refuses,
// breaks off and forgets to answer. While posts are written through the API it
// kills processes at named points of the protocol and at random, freezes them
// for longer than any lease, and pulls the database away. Then it counts what
// is on the network. A second run with the protocol turned off must show
// duplicates, or the counting is blind.
//
// Everything is drawn from the seed. One JSON line on standard output is the
// verdict; the exit status is 0 only if nothing was lost, doubled or left
// open. Read run below, then rig.go for what is started, trouble.go for what
// is done to it, and count.go for what is proved.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	o := flags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, o.limit())
	v, err := drive(ctx, o)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(2)
	}
	_ = json.NewEncoder(os.Stdout).Encode(v) // nobody is left to tell
	if !v.Pass {
		os.Exit(1)
	}
}

func flags() (o options) {
	short := flag.Bool("short", false, "a small run of about a minute, for every change")
	flag.Uint64Var(&o.Seed, "seed", 1, "what every chance is drawn from")
	flag.IntVar(&o.Posts, "posts", 1000, "how many posts are written")
	flag.IntVar(&o.Kills, "kills", 100, "how many processes are killed")
	flag.IntVar(&o.Control, "control", 60, "posts of the control run; 0 leaves it out")
	flag.BoolVar(&o.NativeKey, "native-key", false, "the network remembers keys; otherwise it is asked what it has")
	flag.BoolVar(&o.Plugins, "plugins", false, "most of what is killed and frozen are plugins, until their hosts leave them alone for a while")
	flag.StringVar(&o.Binary, "binary", "", "a program built with -tags faultpoints; empty builds it")
	flag.StringVar(&o.Dir, "dir", "", "where everything is kept; empty is a new folder that a good run removes")
	flag.StringVar(&o.DatabaseURL, "database", os.Getenv("CRASH_DATABASE_URL"), "a PostgreSQL server, as somebody who may make databases and roles; empty runs a private one, which is also restarted")
	flag.Parse()
	if *short {
		o.Posts, o.Kills, o.Control = 60, 12, 40
	}
	return o
}

// drive runs the protocol and its control, one after the other.
func drive(ctx context.Context, o options) (verdict, error) {
	began := time.Now()
	place, err := openPlace(ctx, o)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{Seed: o.Seed, NativeKey: o.NativeKey}
	v.result, err = run(ctx, place, o.experiment())
	if err == nil && o.Control > 0 {
		var control result
		control, err = run(ctx, place, o.control())
		v.Control = &control
	}
	v.judge(o.Control > 0)
	v.Took = seconds(time.Since(began))
	place.close(err == nil && v.Pass)
	return v, err
}

// run is one experiment from an empty database to the count.
func run(ctx context.Context, p *place, e experiment) (result, error) {
	r, err := openRig(ctx, p, e)
	if err != nil {
		return result{}, err
	}
	defer r.close()
	stage, err := furnish(ctx, r) // tenants, people, channels
	if err != nil {
		return result{}, fmt.Errorf("furnish: %w", err)
	}
	watch := watchPosts(ctx, r)
	mender := mend(ctx, stage)
	trouble := begin(ctx, r, e)
	written := write(ctx, stage, e)
	trouble.end(ctx)
	quiet := time.Now()
	watch.settled(ctx, written, e.patience())
	res, err := count(ctx, r, e, written, watch, trouble, time.Since(quiet))
	res.Reconnected = mender.end()
	return res, err
}
