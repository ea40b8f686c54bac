// Command peers tries this program against a reference server that others
// wrote: Bluesky's own, from npm, on this machine.
//
// It decides one question: does a thread of three with a photograph and a first
// comment stand in the account's repository once, whole and in order, although
// the worker that published it was killed again and again? A fake of ours can
// only contain what we know of a platform. So the servers here, the worker and
// the database are real processes, the work is asked for over the REST API, and
// the answer is read from the repository. Between worker and server stands a
// proxy, because the worst moments to die are those in which a request is under
// way.
//
// It prints progress on standard error and one JSON verdict on standard output;
// the exit code is 0 only if everything held. Start with try; front.go kills,
// verify.go judges.
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

// options are the flags.
type options struct {
	seed    uint64
	kills   int
	limit   time.Duration
	binary  string
	servers string
	photo   string
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "decides when the worker is killed")
	flag.IntVar(&o.kills, "kills", 3, "how often, at most once for each of the five writes")
	flag.DurationVar(&o.limit, "limit", 12*time.Minute, "how long everything may take")
	flag.StringVar(&o.binary, "binary", "bin/carillon", "the program under test")
	flag.StringVar(&o.servers, "servers", "tools/peers", "where the reference servers are installed")
	flag.StringVar(&o.photo, "photo", "cmd/carillon/demo/photo.jpg", "the photograph to publish")
	flag.Parse()

	signals, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(signals, o.limit)
	v := try(ctx, o)
	cancel()
	stop()
	_ = json.NewEncoder(os.Stdout).Encode(v)
	if !v.OK {
		os.Exit(1)
	}
}

// try runs the trial and never fails: what went wrong is part of the verdict.
func try(ctx context.Context, o options) verdict {
	t := &trial{opt: o, began: time.Now(), verdict: verdict{Seed: o.seed}}
	defer t.close()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"start the reference server", t.openPeer},
		{"hold the plugin to its contract there", t.contract},
		{"start an installation", t.openInstallation},
		{"connect an account by app password", t.connect},
		{"publish a thread and kill the worker", t.publish},
		{"read the repository", t.read},
	} {
		t.say("%s", step.name)
		if err := step.do(ctx); err != nil {
			t.verdict.problem("%s: %v", step.name, err)
			t.showLogs()
			break
		}
	}
	return t.conclude()
}

func (t *trial) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(t.began).Seconds(), fmt.Sprintf(format, args...))
}
