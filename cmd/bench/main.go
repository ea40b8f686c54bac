// Command bench measures what a person or an operator would notice, on real
// processes: a private database on disk with its flushes, `carillon serve` and
// `carillon work` as they are deployed, plugins as child processes, and the
// practice network in memory.
//
// Absolute figures belong to the machine they were taken on, so wherever there
// is something to compare with, the baseline runs in the same minutes, in
// turns, and the ratio is what counts. What the load generator and the network
// use of the machine counts against the product. docs/benchmarks.md records a
// run. Start with the table in figures.go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/carillonhq/carillon/adapters/sandbox"
)

func main() {
	sandbox.Main() // what hosts plugins executes itself to confine them
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are how much to measure.
type options struct {
	binary string
	// plugins is the program of the plugins; empty: as an installation has it.
	plugins string
	only    string
	out     string
	short   bool
	// statements prints what the database was busy with, at some cost.
	statements bool
	profile    string
}

func run(ctx context.Context) error {
	if len(os.Args) > 1 && os.Args[1] == "bare" {
		return serveBare(ctx, os.Args[2:])
	}
	if len(os.Args) > 1 && os.Args[1] == "model" {
		if len(os.Args) != 3 {
			return errors.New("usage: bench model REPORT.json")
		}
		return model(os.Stdout, os.Args[2])
	}
	var o options
	flag.StringVar(&o.binary, "carillon", "bin/carillon", "the program to measure")
	flag.StringVar(&o.only, "only", "", "measure these, by comma: "+strings.Join(names(), ", "))
	flag.StringVar(&o.out, "json", "", "also write the report to this file")
	flag.BoolVar(&o.short, "short", false, "a tenth of the load: to see that it works")
	flag.BoolVar(&o.statements, "statements", false, "print what the database was busy with; this slows it down")
	flag.StringVar(&o.profile, "cpuprofile", "", "write this process's own processor profile to a file")
	flag.Parse()
	stop, err := profiled(o.profile)
	if err != nil {
		return err
	}
	defer stop()
	h, err := openHouse(ctx, o)
	if err != nil {
		return err
	}
	defer h.Close()
	r := newReport(os.Args[1:])
	err = measure(ctx, h, r)
	r.print(os.Stdout)
	return errors.Join(err, r.write(o.out))
}

// profiled records where this process spends its time until stop is called.
func profiled(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { pprof.StopCPUProfile(); _ = f.Close() }, nil
}

// measure takes what was chosen. One that fails does not stop the others.
func measure(ctx context.Context, h *house, r *report) error {
	var errs []error
	for _, m := range measurements {
		if !chosen(h.opt.only, m.name) {
			continue
		}
		began := time.Now()
		h.forgetStatements(ctx)
		if err := m.run(ctx, h, r); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
		}
		fmt.Fprintf(os.Stderr, "%-10s %s\n", m.name, time.Since(began).Round(time.Second))
		h.printStatements(ctx)
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

func chosen(only, name string) bool {
	if only == "" {
		return true
	}
	for _, one := range strings.Split(only, ",") {
		if one == name {
			return true
		}
	}
	return false
}

func names() []string {
	out := make([]string, len(measurements))
	for i, m := range measurements {
		out[i] = m.name
	}
	return out
}

func (r *report) write(path string) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
