package scaffold_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/scaffold"
)

func TestNew(t *testing.T) {
	for _, lang := range scaffold.Languages {
		for _, finished := range []bool{false, true} {
			dir := filepath.Join(t.TempDir(), "new")
			files, err := scaffold.New(scaffold.Options{Name: "grey-tern", Lang: lang, Dir: dir, Finished: finished})
			if err != nil {
				t.Fatal(lang, err)
			}
			unwritten := 0
			for _, f := range files {
				text, err := os.ReadFile(filepath.Join(dir, f))
				if err != nil {
					t.Fatal(err)
				}
				if strings.ContainsAny(string(text), "«»") {
					t.Errorf("%s: %s: a template's mark is left", lang, f)
				}
				if strings.Contains(string(text), "grey-tern.not_written") {
					unwritten++
				}
			}
			if finished != (unwritten == 0) {
				t.Errorf("%s, finished %t: %d files have something unwritten", lang, finished, unwritten)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]scaffold.Options{
		"a name with capitals":  {Name: "Tern", Lang: "go"},
		"a path":                {Name: "../tern", Lang: "go"},
		"no such language":      {Name: "tern", Lang: "cobol"},
		"a folder in use":       {Name: "tern", Lang: "go", Dir: full},
		"a source that is none": {Name: "tern", Lang: "go", Replace: full},
	} {
		if o.Dir == "" {
			o.Dir = filepath.Join(t.TempDir(), "new")
		}
		if _, err := scaffold.New(o); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if entries, _ := os.ReadDir(full); len(entries) != 1 {
		t.Error("something was written over the author's folder")
	}
}

// The step that an author writes is short. A whole plugin of about 40 lines is in
// docs/plugins/go.md, which is executed.
func TestTheStepToWriteIsShort(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if _, err := scaffold.New(scaffold.Options{Name: "tern", Lang: "go", Dir: dir, Finished: true}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, publish, _ := strings.Cut(string(text), "func (p Tern) Publish")
	if n := strings.Count(publish, "\n"); n > 40 {
		t.Errorf("Publish has %d lines", n)
	}
}
