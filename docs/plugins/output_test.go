package plugins_test

import (
	"regexp"
	"strings"
	"testing"
)

// expectation is what a block of output says: text, in which "…" stands for
// anything within a line, and a line of nothing else for any lines.
func expectation(text string) string {
	var b strings.Builder
	for _, line := range strings.Split(tidy(text), "\n") {
		if strings.TrimSpace(line) == "…" {
			b.WriteString(`(?:.*\n)*?`)
			continue
		}
		for i, part := range strings.Split(line, "…") {
			if i > 0 {
				b.WriteString(`.*?`)
			}
			b.WriteString(regexp.QuoteMeta(part))
		}
		b.WriteString(`\n`)
	}
	return b.String()
}

// said reports whether output is all that text expects.
func said(output, text string) bool {
	return regexp.MustCompile(`\A` + expectation(text) + `\z`).MatchString(tidy(output) + "\n")
}

// saidSoFar reports whether what text expects is in output.
func saidSoFar(output, text string) bool {
	return regexp.MustCompile(`(?m:^)` + expectation(text)).MatchString(tidy(output) + "\n")
}

// tidy takes away what nobody sees: spaces before the ends of lines, and empty
// lines around it all.
func tidy(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\r")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

func TestOutput(t *testing.T) {
	for name, tc := range map[string]struct {
		output, text string
		all, part    bool
	}{
		"the same":           {"a\nb\n", "a\nb\n", true, true},
		"spaces at the end":  {"a  \nb\n\n", "a\nb\n", true, true},
		"within a line":      {"took 3 s\n", "took … s\n", true, true},
		"not across lines":   {"took\n3 s\n", "took … s\n", false, false},
		"lines":              {"a\nb\nc\nd\n", "a\n…\nd\n", true, true},
		"no lines":           {"a\nd\n", "a\n…\nd\n", true, true},
		"something else":     {"a\nx\n", "a\nb\n", false, false},
		"more than expected": {"a\nb\nc\n", "b\n", false, true},
		"less":               {"a\n", "a\nb\n", false, false},
		"not a pattern":      {"a.c(1)\n", "a.c(1)\n", true, true},
	} {
		if all, part := said(tc.output, tc.text), saidSoFar(tc.output, tc.text); all != tc.all || part != tc.part {
			t.Errorf("%s: %t, %t", name, all, part)
		}
	}
}
