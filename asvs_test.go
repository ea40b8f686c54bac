package carillon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	asvsRow  = regexp.MustCompile(`(?m)^\| (V[\d.]+) \| ([12]) \| (.+) \| (yes|not yet|n/a) \| (.*) \|$`)
	asvsLink = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
)

// docs/asvs.md answers each requirement of levels 1 and 2 once, and what it
// points to is there.
func TestASVSIsAnswered(t *testing.T) {
	page, err := os.ReadFile("docs/asvs.md")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("testdata/asvs-5.0.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	levels, counts := map[string]string{}, map[string]int{}
	for line := range strings.Lines(string(list)) {
		id, level, _ := strings.Cut(strings.TrimSpace(line), " ")
		levels[id] = level
	}
	if len(levels) != 253 {
		t.Errorf("%d requirements of levels 1 and 2; there are 253", len(levels))
	}
	for _, row := range asvsRow.FindAllStringSubmatch(string(page), -1) {
		id, level, answer, shown := row[1], row[2], row[4], row[5]
		if levels[id] != level {
			t.Errorf("%s, level %s: it is not in the standard, of another level, or answered twice", id, level)
		}
		delete(levels, id)
		counts[answer]++
		links := asvsLink.FindAllStringSubmatch(shown, -1)
		if answer == "yes" && len(links) == 0 || answer != "yes" && len(strings.Fields(shown)) < 3 {
			t.Errorf("%s: %s, and %q is no reason", id, answer, shown)
		}
		for _, link := range links {
			pointsSomewhere(t, id, link[1], link[2])
		}
	}
	for id := range levels {
		t.Errorf("%s has no answer", id)
	}
	counts["all"] = counts["yes"] + counts["not yet"] + counts["n/a"]
	for answer, n := range counts {
		if !strings.Contains(string(page), fmt.Sprintf("\n| %s | %d |\n", answer, n)) {
			t.Errorf("%d are %q: the table at the top says otherwise", n, answer)
		}
	}
}

// pointsSomewhere holds a link to a file, and one that is named after a test to
// a file with that test.
func pointsSomewhere(t *testing.T, id, label, target string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("docs", target))
	if err != nil {
		t.Errorf("%s: %v", id, err)
		return
	}
	named := strings.HasPrefix(label, "Test") || strings.HasPrefix(label, "Fuzz")
	if named && !strings.Contains(string(source), "\nfunc "+label+"(") {
		t.Errorf("%s: there is no %s in %s", id, label, target)
	}
}
