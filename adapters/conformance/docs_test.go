package conformance_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/conformance"
)

// Every check leads to a section that exists, and the report has its forms.
func TestTheReport(t *testing.T) {
	opt := pigeonOptions(t, false)
	report, err := conformance.Run(t.Context(), conformance.Options{Options: opt, Level: 5, Load: conformance.Load{Publications: 20, AtOnce: 4}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Failed() {
		t.Error(text(r))
	}
	kit, err := os.ReadFile("../../docs/plugins/kit.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for line := range strings.Lines(string(kit)) {
		if title, ok := strings.CutPrefix(strings.TrimSpace(line), "## "); ok {
			sections[strings.NewReplacer(" ", "-", ".", "").Replace(strings.ToLower(title))] = true
		}
	}
	for _, r := range report.Results {
		if !sections[r.Section] {
			t.Errorf("%s: there is no section %q", r.ID, r.Section)
		}
	}
	if len(report.Figures) < 5 {
		t.Errorf("figures: %v", report.Figures)
	}
	forms(t, report)
}

func forms(t *testing.T, report conformance.Report) {
	t.Helper()
	var junit, markdown, matrix bytes.Buffer
	for _, err := range []error{report.JUnit(&junit), report.Matrix().Markdown(&markdown), report.Matrix().JSON(&matrix)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cases := 0
	for d := xml.NewDecoder(&junit); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "testcase" {
			cases++
		}
	}
	if cases != len(report.Results) {
		t.Errorf("JUnit has %d cases of %d", cases, len(report.Results))
	}
	var m conformance.Matrix
	if err := json.Unmarshal(matrix.Bytes(), &m); err != nil || m.Levels["L5"] != conformance.Passed {
		t.Errorf("%v, %+v", err, m)
	}
	if !strings.Contains(markdown.String(), "| L5 | passed |") || !strings.Contains(markdown.String(), "| reply | yes | passed |") {
		t.Error(markdown.String())
	}
}
