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
	report, err := conformance.Run(t.Context(), conformance.Options{Options: opt, Level: 5, Load: conformance.Load{Publications: 20, AtOnce: 4}, Pause: pause})
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

// A level that was asked for and cannot be shown is no success.
func TestALevelThatIsNotShown(t *testing.T) {
	t.Parallel()
	opt := pigeonOptions(t, false)
	opt.Settings.Accounts = opt.Settings.Accounts[:1]
	report, err := conformance.Run(t.Context(), conformance.Options{Options: opt, Level: 4, Only: []string{"L0.handshake", "L4."}, Pause: pause})
	if err != nil {
		t.Fatal(err)
	}
	levels := report.Matrix().Levels
	if len(report.Failed()) != 3 || levels["L4"] != conformance.Untried || levels["L0"] != conformance.Passed {
		t.Errorf("%d failed, levels %v\n%s", len(report.Failed()), levels, summary(report))
	}
	for _, r := range report.Failed() {
		if !strings.Contains(text(r), "second account") {
			t.Error(text(r))
		}
	}
	report.Results = append(report.Results, conformance.Result{ID: "L4.more", Level: 4, Status: conformance.Passed})
	if got := report.Matrix().Levels["L4"]; got != conformance.Untried {
		t.Errorf("one check that passed hides those that were not made: %s", got)
	}
}
