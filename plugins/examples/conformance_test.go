package examples_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/carillonhq/carillon/adapters/conformance"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/rehearsal"
)

// Each example stands every level but load, met as its carillon.yaml says.
func TestConformance(t *testing.T) {
	each(t, func(t *testing.T, spec pluginhost.Spec) {
		dir := map[string]string{"example.chirp-go": "go-chirp", "example.chirp-ts": "ts-chirp", "example.chirp-py": "py-chirp"}[spec.ID]
		settings, err := rehearsal.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		settings.Upstream.Command = []string{filepath.Join(made(t, compiled), "chirpfake")} // built once, where the file says go run
		program := rehearsal.Program{Name: spec.Name, Binary: spec.Binary, Args: spec.Args, Dir: spec.Dir, Slow: spec.Start > 0}
		report, err := conformance.Run(t.Context(), conformance.Options{Level: 4, Options: rehearsal.Options{Program: program, Settings: settings}})
		if err != nil {
			t.Fatal(err)
		}
		said := new(bytes.Buffer)
		for _, r := range report.Failed() {
			r.Text(said)
		}
		report.Summary(said)
		for level, came := range report.Matrix().Levels {
			if came != conformance.Passed {
				t.Errorf("%s: %s", level, came)
			}
		}
		if t.Failed() || len(report.Failed()) > 0 {
			t.Error(said)
		}
	})
}
