package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

// tell says what became of the mutants, and how many no test noticed.
func tell(out io.Writer, results []result, file string) (survivors int, err error) {
	slices.SortFunc(results, func(a, b result) int { return cmp.Compare(a.Name, b.Name) })
	type count struct{ all, killed int }
	kinds := map[string]*count{}
	for _, r := range results {
		if kinds[r.Kind] == nil {
			kinds[r.Kind] = new(count)
		}
		kinds[r.Kind].all++
		if r.Outcome == "killed" {
			kinds[r.Kind].killed++
			continue
		}
		survivors++
		fmt.Fprintf(out, "%-9s  %s\n", r.Outcome, r.Name)
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(out, "%-10s %4d of %4d noticed\n", kind, kinds[kind].killed, kinds[kind].all)
	}
	fmt.Fprintf(out, "%-10s %4d of %4d noticed\n", "all", len(results)-survivors, len(results))
	if file == "" {
		return survivors, nil
	}
	raw, err := json.MarshalIndent(results, "", " ")
	if err != nil {
		return survivors, err
	}
	return survivors, os.WriteFile(file, append(raw, '\n'), 0o600)
}
