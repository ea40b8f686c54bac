package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatFits(t *testing.T) {
	for licence, want := range map[string]bool{
		"MIT": true, "(MIT OR GPL-3.0)": true, "Apache-2.0 AND MIT": true, "(Apache-2.0 AND GPL-2.0)": false, "AGPL-3.0": false, "": false, "SEE LICENSE": false,
	} {
		if got := fits(part{"somebody/something", licence}); got != want {
			t.Errorf("%q fits = %v", licence, got)
		}
	}
	if !fits(part{"protobuf", ""}) {
		t.Error("what is known does not fit")
	}
}

func TestListsAreRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	bill := write("sbom.json", `{"components":[{"name":"a","licenses":[{"license":{"id":"MIT"}}]},{"name":"b","evidence":{"licenses":[{"license":{"id":"GPL-3.0"}}]}}]}`)
	lock := write("package-lock.json", `{"packages":{"":{},"node_modules/x":{"license":"ISC"},"node_modules/y":{"license":"BUSL-1.1"}}}`)
	project := write("pyproject.toml", "[project]\ndependencies = [\"protobuf>=4.21,<7\", \"unheard-of\"]\n")
	var out bytes.Buffer
	err := run(&out, []string{bill, lock, project})
	if err == nil || !strings.Contains(err.Error(), "3 of 6") {
		t.Errorf("%v", err)
	}
	for _, want := range []string{`b has "GPL-3.0"`, `node_modules/y has "BUSL-1.1"`, `unheard-of has ""`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is missing in:\n%s", want, &out)
		}
	}
	if err := run(&out, []string{write("empty.json", "{}")}); err == nil {
		t.Error("a list of nothing fits")
	}
}
