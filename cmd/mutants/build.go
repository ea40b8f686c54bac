package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A bench is the tests that mutants are put before.
type bench struct {
	options
	dir      string // of this run's files
	packages []*tests
}

// tests are those of one package, built over instrumented source.
type tests struct {
	pkg, binary string
	database    bool // they are slow, and come last
	names       []test
}

// A test is one of them, with the places that it passes.
type test struct {
	Name   string
	Took   time.Duration
	Passes []int
}

// slow need a database, and prove most of what quick leaves.
var slow = []string{"adapters/postgres", "adapters/httpapi"}

func quick() ([]string, error) {
	dirs, err := guarded(".")
	early := []string{"policies", "adapters/casbin"}
	return append(early, slices.DeleteFunc(append(dirs, authorised...), func(p string) bool { return slices.Contains(slow, p) || slices.Contains(early, p) })...), err
}

// choose takes those that o asks for.
func choose(in *inventory, o options) ([]mutant, error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, err
	}
	chosen := slices.DeleteFunc(slices.Clone(in.mutants), func(m mutant) bool {
		return !only.MatchString(m.Name) || o.short && !inShort(m)
	})
	if o.sample > 0 && o.sample < len(chosen) {
		rng := rand.New(rand.NewPCG(o.seed, 0))
		rng.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		chosen = chosen[:o.sample]
	}
	return chosen, nil
}

// inShort are mutants that a test without a database has to notice, or one that
// looks at the schema: of the others, some are noticed by slower tests alone.
func inShort(m mutant) bool {
	return m.Kind == "authorise" || m.Kind == "policy" || m.Kind == "wall"
}

// build builds the tests over instrumented source.
func build(ctx context.Context, dir string, in *inventory, o options) (*bench, error) {
	overlay, err := instrument(dir, in)
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, dir: dir}
	list, err := quick()
	if err != nil {
		return nil, err
	}
	if list = append(list, slow...); o.short {
		list = slices.DeleteFunc(list, func(pkg string) bool { return pkg == "adapters/httpapi" })
	}
	for _, pkg := range list {
		if found, err := filepath.Glob(pkg + "/*_test.go"); err != nil || len(found) == 0 {
			continue
		}
		t := &tests{pkg: pkg, binary: filepath.Join(dir, strings.ReplaceAll(pkg, "/", "_")+".test"), database: slices.Contains(slow, pkg)}
		build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", t.binary, "./"+pkg)
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", pkg, err, out)
		}
		b.packages = append(b.packages, t)
	}
	return b, nil
}

// instrument writes the changed copies, and the file that tells go test of them.
func instrument(dir string, in *inventory) (overlay string, err error) {
	replace := map[string]string{}
	write := func(path string, source []byte) error {
		copied := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		at, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		replace[at] = copied
		return os.WriteFile(copied, source, 0o600)
	}
	for path, source := range in.sources {
		if err := write(path, apply(source, in.files[path])); err != nil {
			return "", err
		}
	}
	for path, source := range in.more {
		if err := write(path, []byte(source)); err != nil {
			return "", err
		}
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, raw, 0o600)
}

// each calls fn for every item, jobs at a time, and ends with ctx.
func each[T any](ctx context.Context, jobs int, items []T, fn func(T)) {
	var group sync.WaitGroup
	queue := make(chan T)
	for range jobs {
		group.Go(func() {
			for item := range queue {
				fn(item)
			}
		})
	}
	for _, item := range items {
		select {
		case queue <- item:
		case <-ctx.Done():
		}
	}
	close(queue)
	group.Wait()
}
