package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A figure is one measured number and what it should be.
type figure struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target string  `json:"target,omitempty"`
	Met    *bool   `json:"met,omitempty"`
	Note   string  `json:"note,omitempty"`
	Load   string  `json:"load"` // of the machine, over the last minute
}

// report is one run.
type report struct {
	At      time.Time `json:"at"`
	Command string    `json:"command"`
	CPUs    int       `json:"cpus"`
	Go      string    `json:"go"`
	Figures []figure  `json:"figures"`
}

func newReport(args []string) *report {
	return &report{
		At: time.Now().UTC().Truncate(time.Second), Command: strings.TrimSpace("go run ./cmd/bench " + strings.Join(args, " ")),
		CPUs: runtime.NumCPU(), Go: runtime.Version(),
	}
}

func (r *report) add(f figure) {
	f.Load = load()
	r.Figures = append(r.Figures, f)
	fmt.Fprintf(os.Stderr, "  %s: %s %s %s\n", f.Name, number(f.Value), f.Unit, f.Note)
}

// atMost adds a figure that has a ceiling.
func (r *report) atMost(name string, value, most float64, unit, note string) {
	met := value <= most
	r.add(figure{Name: name, Value: value, Unit: unit, Target: fmt.Sprintf("≤ %s", number(most)), Met: &met, Note: note})
}

// atLeast adds a figure that has a floor.
func (r *report) atLeast(name string, value, least float64, unit, note string) {
	met := value >= least
	r.add(figure{Name: name, Value: value, Unit: unit, Target: fmt.Sprintf("≥ %s", number(least)), Met: &met, Note: note})
}

// plain adds a figure without a target.
func (r *report) plain(name string, value float64, unit, note string) {
	r.add(figure{Name: name, Value: value, Unit: unit, Note: note})
}

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s on %d cores, %s\n\n", r.At.Format("2006-01-02 15:04"), r.CPUs, r.Go)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FIGURE\tVALUE\tUNIT\tTARGET\tMET\tLOAD\tNOTE")
	for _, f := range r.Figures {
		met := ""
		if f.Met != nil {
			met = map[bool]string{true: "yes", false: "NO"}[*f.Met]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, number(f.Value), f.Unit, f.Target, met, f.Load, f.Note)
	}
	_ = w.Flush()
}

// number is v with three figures that mean something.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a == math.Trunc(a) && a < 1e7, a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.4f", v)
}

// load is the machine's, where the system tells.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

// sample is a set of durations.
type sample []time.Duration

// ms is the p-th quantile in milliseconds.
func (s sample) ms(p float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	s = slices.Clone(s)
	slices.Sort(s)
	i := int(math.Ceil(p*float64(len(s)))) - 1
	return float64(s[max(i, 0)].Microseconds()) / 1000
}
