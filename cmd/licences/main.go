// Licences checks that everything this program is built from, or tested with,
// has a licence that lets people use it.
//
// It reads what other tools wrote: a CycloneDX list of Go modules (make sbom),
// the lock files of npm, and the dependencies in pyproject.toml. What a
// detector did not recognise is in known, with where it says so.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// allowed are licences that ask for no more than a notice.
var allowed = []string{
	"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD-Source-Code", "BlueOak-1.0.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "Unlicense",
	"MPL-2.0", // asks for the source of its own files if they were changed; ours are not in them, and we change none
}

// known is what no detector tells.
var known = map[string]string{
	"github.com/pressly/goose/v3":     "MIT",          // LICENSE has two notices, which confuses the detector
	"github.com/tmthrgd/go-hex":       "BSD-3-Clause", // LICENSE has two notices, which confuses the detector
	"grpcio":                          "Apache-2.0",   // its classifier on PyPI
	"protobuf":                        "BSD-3-Clause", // its metadata on PyPI
	"cryptography":                    "Apache-2.0",   // its metadata on PyPI: or BSD-3-Clause
	"plugins/sdk-ts":                  "Apache-2.0",   // ours
	"node_modules/@carillonhq/plugin": "Apache-2.0",   // ours, linked
}

// A part is something that somebody else wrote.
type part struct{ name, licence string }

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, files []string) error {
	total, bad := 0, 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parts, err := read(file, raw)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if len(parts) == 0 {
			return fmt.Errorf("%s: it lists nothing", file)
		}
		for _, p := range parts {
			if total++; !fits(p) {
				bad++
				fmt.Fprintf(out, "%s: %s has %q\n", file, p.name, p.licence)
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d are not among %s", bad, total, strings.Join(allowed, ", "))
	}
	fmt.Fprintf(out, "%d parts, all with a licence that fits\n", total)
	return nil
}

func read(file string, raw []byte) ([]part, error) {
	switch filepath.Base(file) {
	case "package-lock.json":
		return locked(raw)
	case "pyproject.toml":
		return projected(raw)
	}
	return billed(raw)
}

// billed reads a CycloneDX list.
func billed(raw []byte) (parts []part, err error) {
	type choice []struct {
		License struct{ ID, Name string }
	}
	var bill struct {
		Components []struct {
			Name     string
			Licenses choice
			Evidence struct{ Licenses choice }
		}
	}
	if err := json.Unmarshal(raw, &bill); err != nil {
		return nil, err
	}
	for _, c := range bill.Components {
		var names []string
		for _, l := range slices.Concat(c.Licenses, c.Evidence.Licenses) {
			names = append(names, l.License.ID+l.License.Name)
		}
		parts = append(parts, part{c.Name, strings.Join(names, " AND ")})
	}
	return parts, nil
}

// locked reads a lock file of npm.
func locked(raw []byte) (parts []part, err error) {
	var lock struct {
		Packages map[string]struct{ License string }
	}
	if err := json.Unmarshal(raw, &lock); err != nil {
		return nil, err
	}
	for name, p := range lock.Packages {
		if name != "" { // itself
			parts = append(parts, part{name, p.License})
		}
	}
	return parts, nil
}

var (
	dependencies = regexp.MustCompile(`(?m)^dependencies = \[(.*)\]$`)
	requirement  = regexp.MustCompile(`"([A-Za-z0-9_.-]+)`)
)

// projected reads what a Python project needs.
func projected(raw []byte) (parts []part, err error) {
	list := dependencies.FindSubmatch(raw)
	if list == nil {
		return nil, errors.New("no dependencies on one line")
	}
	for _, m := range requirement.FindAllSubmatch(list[1], -1) {
		parts = append(parts, part{name: string(m[1])})
	}
	return parts, nil
}

// fits reads an expression of SPDX without nesting: all of what AND joins has to
// be allowed, and one of what OR joins.
func fits(p part) bool {
	licence := strings.Trim(p.licence, "()")
	if licence == "" {
		licence = known[p.name]
	}
	for _, all := range strings.Split(licence, " AND ") {
		if !slices.ContainsFunc(strings.Split(all, " OR "), func(one string) bool { return slices.Contains(allowed, strings.Trim(one, "()")) }) {
			return false
		}
	}
	return true
}
