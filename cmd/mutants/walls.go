package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// policies drops each line of policy.csv, and each condition of the model.
func (in *inventory) policies(root string) error {
	csv, err := os.ReadFile(filepath.Join(root, "policies/policy.csv"))
	if err != nil {
		return err
	}
	model, err := os.ReadFile(filepath.Join(root, "policies/model.conf"))
	if err != nil {
		return err
	}
	first := in.next
	for i, line := range strings.Split(string(csv), "\n") {
		if in.next++; strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
			in.mutants = append(in.mutants, mutant{N: first + i, Kind: "policy", Pkg: "policies", Name: fmt.Sprintf("policies/policy.csv:%d policy without %s", i+1, line)})
		}
	}
	text := "model"
	for i, line := range strings.Split(string(model), "\n") {
		for _, would := range weaker(line) {
			changed := strings.Replace(string(model), line, would, 1)
			text = fmt.Sprintf("point.Text(%d, %s, %s)", in.next, text, strconv.Quote(changed))
			in.mutants = append(in.mutants, mutant{N: in.next, Kind: "policy", Pkg: "policies", Name: fmt.Sprintf("policies/model.conf:%d policy %s", i+1, would)})
			in.next++
		}
	}
	in.more["policies/policies.go"] = fmt.Sprintf(`package policies

import (
	_ "embed"

	"%s/cmd/mutants/point"
)

//go:embed model.conf
var model string

//go:embed policy.csv
var policy string

var Model = %s

var Policy = point.Lines(%d, policy)
`, module, text, first)
	return nil
}

var matcher = regexp.MustCompile(`^m\d* = `)

// weaker is a line of the model without each of its conditions.
func weaker(line string) (out []string) {
	head := matcher.FindString(line)
	if head == "" {
		return nil
	}
	parts := strings.Split(line[len(head):], " && ")
	for i := range parts {
		kept := append([]string{}, parts...)
		kept[i] = "1 == 1"
		out = append(out, head+strings.Join(kept, " && "))
	}
	return out
}

// reviewed is the list of every policy and grant there is, which a test of
// adapters/postgres keeps equal to the schema.
const reviewed = "adapters/postgres/testdata/walls.txt"

var (
	policyLine = regexp.MustCompile(`^policy (\S+) on (\S+) (permissive|restrictive) for \S+ to \S+ using (.*) check (.*)$`)
	grantLine  = regexp.MustCompile(`^grant (\S+) on table (\S+) to (\S+)$`)
)

// walls drops and widens each policy of row-level security, switches it off
// for each table, and gives each role what it was not given.
func (in *inventory) walls(root string) error {
	raw, err := os.ReadFile(filepath.Join(root, reviewed))
	if err != nil {
		return err
	}
	tables, granted := map[string]bool{}, map[string]bool{}
	var order []string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if m := policyLine.FindStringSubmatch(line); m != nil {
			in.policy(m[1], m[2], m[3] == "restrictive", m[4], m[5])
			if !tables[m[2]] {
				in.wall("alter table " + m[2] + " disable row level security")
				in.wall("alter table " + m[2] + " no force row level security")
			}
			if !tables[m[2]] {
				tables[m[2]] = true
				order = append(order, m[2])
			}
		}
		if m := grantLine.FindStringSubmatch(line); m != nil {
			granted[m[1]+m[2]+m[3]] = true
			if !tables[m[2]] {
				tables[m[2]] = true
				order = append(order, m[2])
			}
		}
	}
	for _, table := range order {
		for _, role := range []string{"carillon_app", "carillon_system"} {
			for _, verb := range []string{"select", "insert", "update", "delete"} {
				if !granted[verb+table+role] {
					in.wall("grant " + verb + " on " + table + " to " + role)
				}
			}
		}
	}
	return nil
}

func (in *inventory) policy(name, table string, restrictive bool, using, check string) {
	in.wall("drop policy " + name + " on " + table)
	if restrictive || using+check == "truetrue" || using+check == "true-" || using+check == "-true" {
		return
	}
	change := "alter policy " + name + " on " + table
	if using != "-" {
		change += " using (true)"
	}
	if check != "-" {
		change += " with check (true)"
	}
	in.wall(change)
}

func (in *inventory) wall(sql string) {
	in.mutants = append(in.mutants, mutant{N: -1, Kind: "wall", Pkg: "adapters/postgres", Name: "wall " + sql, SQL: sql})
}
