package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

const (
	reported = "../../docs/benchmarks.json"
	begins   = "<!-- go run ./cmd/bench model docs/benchmarks.json -->\n\n"
)

func TestTheModelIsWhatTheReportSays(t *testing.T) {
	var made bytes.Buffer
	if err := model(&made, reported); err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), begins)
	if told, _, _ := strings.Cut(rest, "\n<!-- end -->"); told != made.String() {
		t.Errorf("docs/scale.md does not say what go run ./cmd/bench model docs/benchmarks.json prints:\n%s", made.String())
	}
}

func TestAModelOfAReportThatLacksAFigure(t *testing.T) {
	path := t.TempDir() + "/report.json"
	if err := os.WriteFile(path, []byte(`{"cpus":2,"figures":[{"name":"burst: processor time per post","value":5}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	err := model(new(bytes.Buffer), path)
	if err == nil || !strings.Contains(err.Error(), pages) || strings.Contains(err.Error(), perPost) {
		t.Errorf("%v", err)
	}
}

// What a tenant needs follows from what things cost, and nothing else.
func TestTheModel(t *testing.T) {
	c := costs{delivery: 6, database: 3, workers: 2, plugins: 1, request: 2, stored: 1000}
	for tenants, want := range map[float64]string{
		10:      "| 10 | 15 | 0.0015 | 0.35 | 0.00069 | 55 MB | 1 + 1 | one small machine with everything on it |",
		100_000: "| 100,000 | 150,000 | 15 | 3,472 | 6.9 | 548 GB | 2 + 2 | a server of its own for the database, workers and servers beside it; or 10 cells |",
	} {
		if got := c.row(tenants); got != want {
			t.Errorf("%s, want\n%s", got, want)
		}
	}
}
