// Package point is what instrumented source asks at each place that a mutant
// changes: whether it is this one that is switched on.
//
// Nothing in the program imports it. cmd/mutants writes the calls into copies
// of the source and builds the tests over those, once for all mutants; a run of
// such a test has at most one of them on, which its environment names.
package point

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The environment of a run.
const (
	// On is the number of the mutant that is on; without it, none is.
	On = "CARILLON_MUTANT"
	// Seen is a file that gets the number of each place that was passed.
	Seen = "CARILLON_MUTANTS_SEEN"
)

var (
	on   = number(os.Getenv(On))
	seen = os.Getenv(Seen)

	mu     sync.Mutex
	passed = map[int]bool{}
)

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// At reports whether mutant n is on.
func At(n int) bool {
	if seen != "" {
		note(n)
	}
	return n == on
}

func note(n int) {
	mu.Lock()
	defer mu.Unlock()
	if passed[n] {
		return
	}
	passed[n] = true
	f, err := os.OpenFile(seen, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(f, n)
	if err := f.Close(); err != nil {
		panic(err)
	}
}

// Err is err, or nothing where mutant n is on: a check that was dropped.
func Err(n int, err error) error {
	if At(n) {
		return nil
	}
	return err
}

// Cond is what is, or what would be where mutant n is on.
func Cond(n int, is, would bool) bool {
	if At(n) {
		return would
	}
	return is
}

// Text is what is, or what would be where mutant n is on.
func Text(n int, is, would string) string {
	if At(n) {
		return would
	}
	return is
}

// Lines is text, without its line i where mutant first+i is on. An empty text
// has no lines.
func Lines(first int, text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i := range lines {
		if At(first + i) {
			return strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")
		}
	}
	return text
}
