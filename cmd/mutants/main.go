// Mutants drops one wall or one check at a time and sees whether a test notices.
//
// A mutant is the program without one policy of row-level security, with one
// grant too many, without one line of the authorisation policy, one authorise
// line of a use case, one condition that refuses, one condition of a query, or
// one mark of a route. Whatever no test misses was either not tested or not
// needed; both are worth knowing.
//
// Building the tests once for each mutant would take days. Here they are built
// once: copies of the source ask, at each place, whether their mutant is on
// (package point), and go test -overlay puts the copies in place of the source,
// which is not touched. Then each test is run once to learn which places it
// passes, and each mutant is put only before the tests that pass it.
//
// Start with main; find.go and sql.go say what a mutant is.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "only mutants whose name matches this expression")
	flag.IntVar(&o.sample, "sample", 0, "only so many, chosen by -seed; 0: all")
	flag.Uint64Var(&o.seed, "seed", 1, "for -sample")
	flag.BoolVar(&o.short, "short", false, "only tests that need no database, and the schema's")
	flag.BoolVar(&o.list, "list", false, "name the mutants and run nothing")
	flag.IntVar(&o.jobs, "j", 2, "how many at a time")
	flag.DurationVar(&o.each, "each", 2*time.Minute, "the longest that one mutant may take in one package")
	flag.DurationVar(&o.budget, "budget", 0, "begin no mutant after so long; 0: no end")
	flag.StringVar(&o.report, "report", "", "write what became of each there, as JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	survivors, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if survivors > 0 {
		os.Exit(1)
	}
}

type options struct {
	only, report string
	sample, jobs int
	seed         uint64
	short, list  bool
	each, budget time.Duration
}

func run(ctx context.Context, o options) (survivors int, err error) {
	all, err := survey(".")
	if err != nil {
		return 0, err
	}
	chosen, err := choose(all, o)
	if err != nil {
		return 0, err
	}
	if o.list {
		for _, m := range chosen {
			fmt.Fprintln(os.Stdout, m.Name)
		}
		fmt.Fprintf(os.Stdout, "%d mutants\n", len(chosen))
		return 0, nil
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bench, err := build(ctx, dir, all, o)
	if err != nil {
		return 0, err
	}
	if err := bench.learn(ctx, chosen); err != nil {
		return 0, err
	}
	results := bench.try(ctx, chosen)
	return tell(os.Stdout, results, o.report)
}
