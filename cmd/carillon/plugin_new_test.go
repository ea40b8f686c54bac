package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/carillonhq/carillon/adapters/conformance"
	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/adapters/scaffold"
)

// sourceDir is this repository.
func sourceDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// begun writes a new plugin, builds it and runs its own tests.
func begun(t *testing.T, lang string, finished bool) rehearsal.Options {
	t.Helper()
	if err := interpreters(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "grey-tern")
	if _, err := scaffold.New(scaffold.Options{Name: "grey-tern", Lang: lang, Dir: dir, Replace: sourceDir(t), Finished: finished}); err != nil {
		t.Fatal(err)
	}
	if lang == "ts" { // what npm install does
		if err := os.Symlink(filepath.Join(sourceDir(t), "plugins/examples/ts-chirp/node_modules"), filepath.Join(dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
	opt, build, err := authorsPlugin(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := runBuild(t.Context(), &out, dir, build); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return opt
}

// interpreters builds the SDKs and puts the right node and python3 first in PATH.
var interpreters = sync.OnceValue(func() error {
	for _, verb := range []string{"build", "path"} {
		out, err := exec.Command("../../tools/sdks.sh", verb).Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return fmt.Errorf("tools/sdks.sh %s: %w\n%s", verb, err, exit.Stderr)
		}
		if err != nil {
			return err
		}
		if verb == "path" {
			return os.Setenv("PATH", strings.TrimSpace(string(out)))
		}
	}
	return nil
})

var languages = map[string][]string{"go": {"go", "test", "./..."}, "py": {"python3", "-m", "unittest"}, "ts": {"node", "--test", "fake/"}}

// A new plugin passes everything but its contract, and lists what is missing.
func TestANewPluginLacksItsContractOnly(t *testing.T) {
	for lang, own := range languages {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			opt := begun(t, lang, false)
			cmd := exec.CommandContext(t.Context(), own[0], own[1:]...)
			cmd.Dir = opt.Files
			if said, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("its own tests: %v\n%s", err, said)
			}
			report := held(t, opt)
			missing := map[string]bool{}
			for _, r := range report.Failed() {
				if r.Status == conformance.Untried && r.Level > 1 {
					continue // there was nothing to try it with
				}
				missing[r.Did] = true
				if r.Status != conformance.NotWritten || r.Level == 0 {
					t.Errorf("%s: %s: %s", r.ID, r.Status, r.Did)
				}
			}
			if len(missing) != 2 {
				t.Errorf("missing = %v, want the commit and the lookup", missing)
			}
		})
	}
}

// The same folder with its two places filled in passes all of it.
func TestAFinishedPluginPasses(t *testing.T) {
	for lang := range languages {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			for _, r := range held(t, begun(t, lang, true)).Failed() {
				var b strings.Builder
				r.Text(&b)
				t.Error(b.String())
			}
		})
	}
}

func held(t *testing.T, opt rehearsal.Options) conformance.Report {
	t.Helper()
	report, err := conformance.Run(context.WithoutCancel(t.Context()), conformance.Options{Options: opt, Level: 4})
	if err != nil {
		t.Fatal(err)
	}
	return report
}
