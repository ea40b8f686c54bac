package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
)

// The figures that the model is made of.
const (
	perPost   = "burst: processor time per post"
	stored    = "stored per post of one channel"
	pages     = "page of 50 posts, carillon"
	ofBase    = "burst: of it the database"
	ofWorkers = "burst: of it the workers"
	ofPlugins = "burst: of it the plugins"
)

// What the model assumes of a tenant, and of a process.
const (
	deliveriesADay = 15 // five posts to three channels
	requestsADay   = 300
	atOneInstant   = .1 // of a day's deliveries, such as at nine o'clock
	outWithin      = 60 // seconds
	peakToMean     = 10 // requests
	coresAProcess  = 4
)

// costs is what a report says that things cost.
type costs struct {
	delivery, database, workers, plugins float64 // ms of processor
	request                              float64 // ms of processor
	stored                               float64 // bytes per delivery
}

// model prints what so many tenants need, by the figures of a report. It is
// what docs/scale.md says.
func model(out io.Writer, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	c, err := r.costs()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintf(out, "Measured (%s): %s ms of processor per delivery (database %s, workers %s, plugins %s), %s kB stored per\ndelivery with its attempt, events and indexes, and %s ms per page of 50 posts, load generator included.\n\n",
		r.At.Format("2006-01-02T15:04Z"), number(c.delivery), number(c.database), number(c.workers), number(c.plugins), number(c.stored/1024), number(c.request))
	fmt.Fprintln(out, "| tenants | due at once | cores, publishing | requests/s at peak | cores, requests | storage per year | processes | what that is |")
	fmt.Fprintln(out, "|---:|---:|---:|---:|---:|---:|---:|---|")
	for _, tenants := range []float64{10, 1_000, 100_000} {
		fmt.Fprintln(out, c.row(tenants))
	}
	return nil
}

func (r *report) costs() (c costs, err error) {
	for name, to := range map[string]*float64{
		perPost: &c.delivery, ofBase: &c.database, ofWorkers: &c.workers, ofPlugins: &c.plugins, stored: &c.stored, pages: &c.request,
	} {
		value, ok := r.figure(name)
		if !ok || !(value > 0) {
			err = errors.Join(err, fmt.Errorf("there is no figure %q", name))
		}
		*to = value
	}
	c.stored *= 1024
	c.request = 1000 * float64(r.CPUs) / c.request // all processors were busy
	return c, err
}

func (r *report) figure(name string) (float64, bool) {
	for _, f := range r.Figures {
		if f.Name == name {
			return f.Value, true
		}
	}
	return 0, false
}

// row is one line of the table.
func (c costs) row(tenants float64) string {
	due := tenants * deliveriesADay * atOneInstant
	publishing := due * c.delivery / 1000 / outWithin
	peak := tenants * requestsADay / 86_400 * peakToMean
	requests := peak * c.request / 1000
	year := tenants * deliveriesADay * 365 * c.stored
	outside := publishing * (c.workers + c.plugins) / c.delivery
	serve, work := processes(requests), processes(outside)
	what := "one small machine with everything on it"
	switch all := publishing + requests; {
	case all > 2:
		serve, work = max(serve, 2), max(work, 2)
		what = fmt.Sprintf("a server of its own for the database, workers and servers beside it; or %.0f cells", math.Ceil(tenants/10_000))
	case all > .1:
		serve, work = max(serve, 2), max(work, 2)
		what = "one machine of two cores; a second for safety"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %d + %d | %s |", grouped(tenants), grouped(due), figures(publishing), figures(peak), figures(requests), sized(year), serve, work, what)
}

func processes(cores float64) int { return max(1, int(math.Ceil(cores/coresAProcess))) }

// figures is v with two figures that mean something, all of those before the point.
func figures(v float64) string {
	if v >= 10 {
		return grouped(v)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// grouped is v without a fraction, in groups of three digits.
func grouped(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func sized(v float64) string {
	units := strings.Fields("B kB MB GB TB PB")
	for len(units) > 1 && v >= 1000 {
		v, units = v/1000, units[1:]
	}
	return figures(v) + " " + units[0]
}
