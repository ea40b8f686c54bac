package main

import (
	"bytes"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

const sample = `package sample

func (s *Service) Do(ctx context.Context, who tenants.Scope, name string) error {
	if err := s.authz.Allow(ctx, who, ActDo); err != nil {
		return err
	}
	if name == "" || (len(name) > 3 || bad(name)) {
		return fault.New(fault.Invalid, "a.b", "No.")
	}
	if err != nil {
		return errOther()
	}
	switch {
	case fault.Is(err, fault.NotFound):
		return errOther()
	case who.Key != "":
		return fault.New(fault.Forbidden, "a.c", "No.")
	}
	return nil
}

func fits(a, b int) bool { return a > 0 && b > 0 }
`

func inspect(t *testing.T, source string, find func(*finder)) (*inventory, []string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "sample.go", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	in := &inventory{files: map[string][]change{}, sources: map[string][]byte{}}
	find(&finder{inventory: in, path: "sample.go", pkg: "core/identity", set: set, file: file, source: []byte(source)})
	var names []string
	for _, m := range in.mutants {
		names = append(names, strings.TrimPrefix(m.Name, "sample.go:"))
	}
	return in, names
}

func TestWhatIsAMutant(t *testing.T) {
	in, names := inspect(t, sample, (*finder).checks)
	want := []string{
		"4 authorise s.authz.Allow(ctx, who, ActDo)", `7 refusal name == ""`, "7 refusal len(name) > 3", "7 refusal bad(name)", `16 refusal who.Key != ""`,
		"22 condition a > 0", "22 condition b > 0",
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("%q\nwant %q", names, want)
	}
	changed := apply([]byte(sample), in.files["sample.go"])
	if _, err := parser.ParseFile(token.NewFileSet(), "", changed, 0); err != nil {
		t.Errorf("%v\n%s", err, changed)
	}
	for _, text := range []string{"if err := point.Err(", `, name == "", false) || (point.Cond(`, "return point.Cond(", ", b > 0, true) }"} {
		if !strings.Contains(string(changed), text) {
			t.Errorf("%s is not in\n%s", text, changed)
		}
	}
}

func TestConditionsOfQueries(t *testing.T) {
	for sql, want := range map[string][]string{
		"select a from b where {b} and b.id = $2 order by a":                                           {"{b}", "b.id = $2"},
		"update a set b = 1 where id = ? and (c or d) and e between 1 and 2 returning id":              {"id = ?", "(c or d)", "e between 1 and 2"},
		"with o as (delete from a where x < now()) insert into b select 1 where not exists (select 1)": {"x < now()", "not exists (select 1)"},
		"select 1 where a = 'x and y' or b":                                                            {"a = 'x and y' or b"}, "select 1": nil, "select 1 where a\n\t  and b for update of t": {"a", "b"},
	} {
		var got []string
		for _, c := range conditions(sql, false) {
			got = append(got, sql[c.from:c.to])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	if got := conditions("id = ? and version = ?", true); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// What is changed can be built: at least it can be read.
func TestTheSourceIsSurveyed(t *testing.T) {
	in, err := survey("../..")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, m := range in.mutants {
		kinds[m.Kind]++
	}
	for kind, least := range map[string]int{"authorise": 100, "check": 50, "refusal": 200, "condition": 50, "query": 400, "route": 150, "policy": 90, "wall": 300} {
		if kinds[kind] < least {
			t.Errorf("only %d of %s", kinds[kind], kind)
		}
	}
	for _, path := range slices.Concat(edges, []string{"tenants/exports", "tenants/erasure", "core/identity", "core/media"}) {
		if !strings.Contains(path, "/") {
			path = "adapters/httpapi/" + path
		}
		if !slices.ContainsFunc(in.mutants, func(m mutant) bool { return strings.HasPrefix(m.Name, path) }) {
			t.Errorf("nothing is taken away from %s", path)
		}
	}
	for path, source := range in.sources {
		changed := apply(source, in.files[path])
		if _, err := parser.ParseFile(token.NewFileSet(), path, changed, 0); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestTheReport(t *testing.T) {
	var out bytes.Buffer
	n, err := tell(&out, []result{{Name: "b", Kind: "check", Outcome: "survived"}, {Name: "a", Kind: "check", Outcome: "killed"}}, "")
	if n != 1 || err != nil || !strings.Contains(out.String(), "check         1 of    2 noticed") || !strings.HasPrefix(out.String(), "survived   b") {
		t.Errorf("%d, %v\n%s", n, err, &out)
	}
}
