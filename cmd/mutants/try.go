package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/cmd/mutants/point"
)

// breaks is what postgrestest does to each database that it makes.
const breaks = "CARILLON_TEST_BREAK"

// command is a run of t's tests, as go test would run them.
func (b *bench) command(ctx context.Context, t *tests, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.binary, args...)
	cmd.Dir = t.pkg
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// learn runs each test once, alone, and keeps which places it passes. What was
// learned of the same binary before holds.
func (b *bench) learn(ctx context.Context, chosen []mutant) error {
	places := slices.ContainsFunc(chosen, func(m mutant) bool { return m.SQL == "" })
	for _, t := range b.packages {
		if t.database && (b.short || !places) {
			continue // only the schema is put before it
		}
		kept, err := b.kept(t)
		if err != nil {
			return err
		}
		if raw, err := os.ReadFile(kept); err == nil && json.Unmarshal(raw, &t.names) == nil {
			continue
		}
		out, err := b.command(ctx, t, nil, "-test.list", ".").Output()
		if err != nil {
			return fmt.Errorf("%s: %w", t.pkg, err)
		}
		names := slices.DeleteFunc(strings.Fields(string(out)), func(n string) bool { return !strings.HasPrefix(n, "Test") })
		b.follow(ctx, t, names)
		raw, err := json.Marshal(t.names)
		if err != nil {
			return err
		}
		if err := os.WriteFile(kept, raw, 0o600); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// kept is the file of what was learned of a binary.
func (b *bench) kept(t *tests) (string, error) {
	raw, err := os.ReadFile(t.binary)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	dir := filepath.Join(cache, "carillon-mutants")
	return filepath.Join(dir, hex.EncodeToString(sum[:])+".json"), os.MkdirAll(dir, 0o700)
}

// follow runs tests one by one. One that fails by itself proves nothing, and is
// left out.
func (b *bench) follow(ctx context.Context, t *tests, names []string) {
	var mu sync.Mutex
	each(ctx, b.jobs, names, func(name string) {
		seen := filepath.Join(b.dir, "seen-"+t.pkgName()+"-"+name)
		began := time.Now()
		out, err := b.command(ctx, t, []string{point.Seen + "=" + seen}, "-test.run", "^"+name+"$", "-test.timeout", "5m").CombinedOutput()
		one := test{Name: name, Took: time.Since(began), Passes: numbers(seen)}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			fmt.Fprintf(os.Stderr, "left out: %s fails without any mutant: %v\n%s\n", name, err, tail(out))
			return
		}
		t.names = append(t.names, one)
	})
	slices.SortFunc(t.names, func(a, b test) int { return int(a.Took - b.Took) })
}

func (t *tests) pkgName() string { return strings.ReplaceAll(t.pkg, "/", "_") }

func numbers(file string) (out []int) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil // it passes none
	}
	for _, line := range strings.Fields(string(raw)) {
		if n, err := strconv.Atoi(line); err == nil {
			out = append(out, n)
		}
	}
	return out
}

func tail(out []byte) []byte { return out[max(0, len(out)-2000):] }

// A result is what became of a mutant.
type result struct {
	Name, Kind string
	Outcome    string // "killed", "survived", "unreached"
	By         string // the package and test that noticed
	Seconds    float64
}

// try puts each mutant before the tests that pass it, cheap ones first.
func (b *bench) try(ctx context.Context, chosen []mutant) (results []result) {
	began := time.Now()
	var mu sync.Mutex
	each(ctx, b.jobs, chosen, func(m mutant) {
		if b.budget > 0 && time.Since(began) > b.budget {
			return
		}
		start := time.Now()
		r := b.judge(ctx, m)
		if r.Seconds = time.Since(start).Seconds(); ctx.Err() != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		results = append(results, r)
		if r.Outcome != "killed" {
			fmt.Fprintf(os.Stderr, "%s: %s\n", r.Outcome, r.Name)
		}
	})
	return results
}

// schema are the tests that hold the schema to what was reviewed.
const schema = "^(TestCatalog|TestWallsAreAsReviewed)$"

func (b *bench) judge(ctx context.Context, m mutant) result {
	r := result{Name: m.Name, Kind: m.Kind, Outcome: "unreached"}
	for _, t := range b.packages {
		if m.SQL != "" {
			if t.pkg == "adapters/postgres" {
				r.Outcome = "survived"
				b.put(ctx, t, &r, breaks+"="+m.SQL, schema)
			}
			continue
		}
		for _, names := range t.passing(m.N) {
			if r.Outcome == "unreached" {
				r.Outcome = "survived"
			}
			if b.put(ctx, t, &r, fmt.Sprintf("%s=%d", point.On, m.N), "^("+strings.Join(names, "|")+")$"); r.Outcome == "killed" {
				return r
			}
		}
	}
	return r
}

// passing are the tests that pass n, in groups of which each takes about four
// times as long as the one before.
func (t *tests) passing(n int) (groups [][]string) {
	var group []string
	var sum time.Duration
	most := 2 * time.Second
	for _, one := range t.names {
		if !slices.Contains(one.Passes, n) {
			continue
		}
		if sum += one.Took; sum > most && len(group) > 0 {
			groups, group = append(groups, group), nil
			sum, most = one.Took, 4*most
		}
		group = append(group, one.Name)
	}
	if len(group) > 0 {
		groups = append(groups, group)
	}
	return groups
}

var failing = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

func (b *bench) put(ctx context.Context, t *tests, r *result, env, names string) {
	ctx, cancel := context.WithTimeout(ctx, b.each+10*time.Second)
	defer cancel()
	out, err := b.command(ctx, t, []string{env}, "-test.run", names, "-test.failfast", "-test.timeout", b.each.String()).CombinedOutput()
	if err == nil {
		return
	}
	r.Outcome, r.By = "killed", t.pkg
	switch m := failing.FindSubmatch(out); {
	case m != nil:
		r.By += " " + string(m[1])
	case bytes.Contains(out, []byte("panic: ")):
		r.By += " (panic)"
	default:
		r.By += " (did not start)"
	}
}
