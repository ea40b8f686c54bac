package conformance

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// docs is where the sections are explained.
const docs = "docs/plugins/kit.md"

// maxShown is how many requests of a failed check are shown.
const maxShown = 12

// Text writes one result for people: a line, and what was wrong if it failed.
func (r Result) Text(w io.Writer) {
	mark := map[Status]string{Passed: "ok  ", Broken: "FAIL", NotWritten: "todo", Untried: "miss", Skipped: "skip"}[r.Status]
	fmt.Fprintf(w, "%s  %-42s %s\n", mark, r.ID, r.Title)
	switch r.Status {
	case Skipped, NotWritten, Untried:
		fmt.Fprintf(w, "        %s\n", r.Did)
	case Broken:
		if r.Expected != "" {
			fmt.Fprintf(w, "        expected  %s\n", r.Expected)
		}
		fmt.Fprintf(w, "        the plugin %s\n", r.Did)
		for i, e := range r.Exchanges {
			if i == maxShown {
				fmt.Fprintf(w, "          and %d more\n", len(r.Exchanges)-i)
				break
			}
			fmt.Fprintf(w, "          %s\n", e)
		}
		fmt.Fprintf(w, "        see       %s#%s\n", docs, r.Section)
	}
}

// Summary writes what came of a run.
func (r Report) Summary(w io.Writer) {
	count := map[Status]int{}
	for _, one := range r.Results {
		count[one.Status]++
	}
	missing := ""
	if n := count[Untried]; n > 0 {
		missing = fmt.Sprintf(" %d not tried,", n)
	}
	fmt.Fprintf(w, "\n%s %s, level %d: %d passed, %d failed, %d not written,%s %d skipped, in %s\n",
		r.Manifest.Name, r.Manifest.Version, r.Level, count[Passed], count[Broken], count[NotWritten], missing, count[Skipped], r.Took.Round(time.Second/10))
	for _, f := range r.Figures {
		fmt.Fprintf(w, "  %-24s %s\n", f.Name, f.Value)
	}
	if count[NotWritten] == 0 {
		return
	}
	fmt.Fprintln(w, "\nStill to be written:")
	seen := map[string]bool{}
	for _, one := range r.Results {
		if one.Status == NotWritten && !seen[one.Did] {
			seen[one.Did] = true
			fmt.Fprintf(w, "  %s\n", one.Did)
		}
	}
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	At       string      `xml:"timestamp,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes the report as JUnit XML, one suite a level.
func (r Report) JUnit(w io.Writer) error {
	var out junitSuites
	for level := range r.Level + 1 {
		s := junitSuite{Name: fmt.Sprintf("%s L%d", r.Manifest.ID, level), At: r.Started.UTC().Format("2006-01-02T15:04:05")}
		var took time.Duration
		for _, one := range r.Results {
			if one.Level != level {
				continue
			}
			took += one.Took
			s.Tests++
			s.add(one)
		}
		s.Time = seconds(took)
		out.Suites = append(out.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	return e.Encode(out)
}

func (s *junitSuite) add(one Result) {
	c := junitCase{Class: s.Name, Name: one.ID + " " + one.Title, Time: seconds(one.Took)}
	switch one.Status {
	case Broken, NotWritten, Untried:
		s.Failures++
		var b strings.Builder
		one.Text(&b)
		c.Failure = &junitMessage{Message: one.Did, Type: string(one.Status), Text: b.String()}
	case Skipped:
		s.Skipped++
		c.Skipped = &junitMessage{Message: one.Did}
	}
	s.Cases = append(s.Cases, c)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// Ability is one line of the matrix.
type Ability struct {
	Name     string `json:"name"`
	Declared bool   `json:"declared"`
	Tested   Status `json:"tested"`
}

// Matrix is what the plugin can do and how far that was shown.
type Matrix struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Recovery  social.Dedup      `json:"recovery"`
	SignIn    social.AuthKind   `json:"sign_in"`
	Levels    map[string]Status `json:"levels"`
	Abilities []Ability         `json:"abilities"`
	Figures   map[string]string `json:"figures,omitempty"`
}

// Matrix sums the report up.
func (r Report) Matrix() Matrix {
	m := Matrix{
		ID: r.Manifest.ID, Name: r.Manifest.Name, Version: r.Manifest.Version, Recovery: r.Manifest.Dedup, SignIn: r.Manifest.Auth.Kind,
		Levels: map[string]Status{}, Figures: map[string]string{},
	}
	for level := range r.Level + 1 {
		m.Levels[fmt.Sprintf("L%d", level)] = r.worst(fmt.Sprintf("L%d.", level), fmt.Sprintf("L%d", level))
	}
	for _, c := range []struct {
		of social.Capability
		id string
	}{
		{social.CanReply, "L1.thread"}, {social.CanFind, "L1.find."}, {social.CanStatus, "L1.find.status"}, {social.CanMetrics, "L1.metrics"},
		{social.CanAccounts, "L1.accounts"}, {social.CanConnect, "L1.connect"}, {social.CanRefresh, "L1.refresh"},
	} {
		m.Abilities = append(m.Abilities, Ability{string(c.of), r.Manifest.Can(c.of), r.worst(c.id)})
	}
	for _, f := range r.Manifest.Formats {
		m.Abilities = append(m.Abilities, Ability{"format " + f.ID, true, r.worst("L1.publish." + f.ID)})
	}
	for _, f := range r.Figures {
		m.Figures[f.Name] = f.Value
	}
	return m
}

// worst is the worst status of the results whose id begins so; skipped if none
// applies.
func (r Report) worst(prefixes ...string) Status {
	rank := map[Status]int{Skipped: 0, Passed: 1, Untried: 2, NotWritten: 3, Broken: 4}
	worst := Skipped
	for _, one := range r.Results {
		for _, p := range prefixes {
			if strings.HasPrefix(one.ID, p) && rank[one.Status] > rank[worst] {
				worst = one.Status
			}
		}
	}
	return worst
}

// JSON writes the matrix for programs.
func (m Matrix) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(m)
}

// Markdown writes the matrix for people.
func (m Matrix) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n`%s`, signs in by %s, settles lost commits by %s.\n\n| Level | Result |\n|---|---|\n", m.Name, m.Version, m.ID, m.SignIn, m.Recovery)
	for level := range Top + 1 {
		if s, ok := m.Levels[fmt.Sprintf("L%d", level)]; ok {
			fmt.Fprintf(&b, "| L%d | %s |\n", level, s)
		}
	}
	b.WriteString("\n| Ability | Declared | Shown |\n|---|---|---|\n")
	for _, a := range m.Abilities {
		declared := "no"
		if a.Declared {
			declared = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", a.Name, declared, a.Tested)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
