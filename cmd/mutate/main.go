// Command mutate sends requests that are almost right to a real installation and
// looks at every answer.
//
// It reads the contract off the server, makes the request that each operation
// asks for, and spoils it: other types, the edges of numbers, text that no
// database likes, members too many and too few, names of another kind and of
// another tenant, headers, queries, methods. Two tenants, an operator and
// nobody take turns. No answer may be the server's own failure (5xx) or none at
// all; what is refused is refused in a problem document whose reason is
// registered; nobody gets in without a credential; and no answer has a word of
// the other tenant in it.
//
// Everything is drawn from the seed but the names that the server makes. The
// answers that should not be are printed on standard error, once for each kind,
// and one JSON line on standard output is the verdict. Read drive below, then
// stage.go for who takes part, request.go for what is sent, and judge.go for
// what is asked of an answer.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	Seed     uint64
	Requests int64
	Width    int
	Binary   string
	limit    time.Duration
	only     string
}

func main() {
	var o options
	short := flag.Bool("short", false, "as many as fit into twenty seconds, for every change")
	flag.Uint64Var(&o.Seed, "seed", 1, "what every chance is drawn from")
	flag.Int64Var(&o.Requests, "requests", 1_000_000, "how many are sent")
	flag.IntVar(&o.Width, "width", 12, "how many are under way")
	flag.StringVar(&o.Binary, "carillon", "bin/carillon", "the program under test")
	flag.DurationVar(&o.limit, "limit", 2*time.Hour, "how long it may take")
	flag.StringVar(&o.only, "only", "", "one operation, such as createPost")
	flag.Parse()
	if *short {
		o.limit = 20 * time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	v, err := drive(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	_ = json.NewEncoder(os.Stdout).Encode(v) // nobody is left to tell
	if !v.Pass {
		os.Exit(1)
	}
}

// epoch is how many requests a cast lives for: what they do to themselves and
// each other ends with it.
const epoch = 20_000

// drive plays until all requests are sent or the time is up.
func drive(ctx context.Context, o options) (verdict, error) {
	r, err := openRig(ctx, o)
	if err != nil {
		return verdict{}, err
	}
	defer r.Close()
	c, err := readContract(ctx, r, o.only)
	if err != nil {
		return verdict{}, err
	}
	j := newJudge(r, o.Seed)
	began := time.Now()
	timed, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	for done := int64(0); done < o.Requests && timed.Err() == nil; done += epoch {
		s, err := furnish(ctx, r)
		for tries := 0; err != nil && tries < 5; tries++ { // maintenance or too many wrong passwords take a moment to end
			fmt.Fprintln(os.Stderr, "once more:", err)
			select {
			case <-timed.Done():
			case <-time.After(time.Second):
			}
			s, err = furnish(ctx, r)
		}
		if err != nil {
			j.find(&request{op: &operation{ID: "the cast"}, as: &principal{}}, "cannot be made", nil, []byte(err.Error()))
			break
		}
		play(timed, o, s, c, j, done, min(done+epoch, o.Requests))
		fmt.Fprintf(os.Stderr, "%8d requests in %s: %s\n", j.sent.Load(), time.Since(began).Round(time.Second), j.summary())
	}
	return j.verdict(r, time.Since(began)), nil
}

// play sends the requests numbered from first up to last.
func play(ctx context.Context, o options, s *stage, c *contract, j *judge, first, last int64) {
	next := atomic.Int64{}
	next.Store(first - 1)
	var all sync.WaitGroup
	for range o.Width {
		all.Go(func() {
			for n := next.Add(1); n < last && ctx.Err() == nil; n = next.Add(1) {
				q := compose(dice(o.Seed, n), c, s)
				q.number = n
				j.hear(context.WithoutCancel(ctx), s, q) // what was asked when time ran out is still answered
			}
		})
	}
	all.Wait()
}
