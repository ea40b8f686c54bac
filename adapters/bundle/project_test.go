package bundle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// folder writes files, by path, and returns where.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(at, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOpen(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		spec  func(dir string) Spec
		bad   string // part of the error
	}{
		"own program": {
			files: map[string]string{ProjectFile: `run: {command: ["./bin/plugin", "--fast"]}`},
			spec: func(dir string) Spec {
				return Spec{Binary: filepath.Join(dir, "bin/plugin"), Args: []string{"--fast"}, Dir: dir}
			},
		},
		"interpreter": {
			files: map[string]string{ProjectFile: "run: {command: [python3, main.py]}\nlevel: local\n"},
			spec: func(dir string) Spec {
				return Spec{Binary: "python3", Args: []string{"main.py"}, Dir: dir, Interpreter: true}
			},
		},
		"declarative": {
			files: map[string]string{DeclarativeFile: "id: x"},
			spec:  func(dir string) Spec { return Spec{Name: Declarative, Args: []string{DeclarativeFile}, Dir: dir} },
		},
		"declarative that lists files": {
			files: map[string]string{DeclarativeFile: "id: x", ProjectFile: "files: [plugin.yaml, README.md]"},
			spec:  func(dir string) Spec { return Spec{Name: Declarative, Args: []string{DeclarativeFile}, Dir: dir} },
		},
		"nothing":              {bad: "no plugin's folder"},
		"both":                 {files: map[string]string{DeclarativeFile: "", ProjectFile: "run: {command: [./x]}"}, bad: "no program of its own"},
		"no command":           {files: map[string]string{ProjectFile: ""}, bad: "run.command"},
		"typo":                 {files: map[string]string{ProjectFile: "runs: {}"}, bad: "runs"},
		"program elsewhere":    {files: map[string]string{ProjectFile: "run: {command: [/bin/sh]}"}, bad: "below the plugin's folder"},
		"program above":        {files: map[string]string{ProjectFile: "run: {command: [../x]}"}, bad: "below the plugin's folder"},
		"files above":          {files: map[string]string{ProjectFile: "run: {command: [./x]}\nfiles: [../*]"}, bad: "files"},
		"says it is verified":  {files: map[string]string{ProjectFile: "run: {command: [./x]}\nlevel: verified"}, bad: "level"},
		"larger than sensible": {files: map[string]string{ProjectFile: strings.Repeat("#", maxProject+1)}, bad: "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, tc.files)
			p, err := Open(dir)
			if tc.bad != "" {
				if err == nil || !strings.Contains(err.Error(), tc.bad) {
					t.Fatalf("error %v, want one about %q", err, tc.bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.spec(dir), p.Spec()); d != "" {
				t.Error(d)
			}
		})
	}
}

// What is wrong is said with its line, in words of the file and not of Go.
func TestAMistakeHasItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"run:\n  command: [./x]\n  biuld: [make]\n":  `carillon.yaml:3: there is no field "biuld" here`,
		"run:\n  command: ./x\n":                     `carillon.yaml:2: "./x" is a text, and a list is wanted`,
		"run: {command: [./x]}\nlevel: verified\n":   "carillon.yaml:2: level: a folder is",
		"# a plugin\nrun:\n\n  command: [/bin/sh]\n": "carillon.yaml:4: run.command: ",
		"run: {command: [./x]}\nfiles:\n  - ../*\n":  "carillon.yaml:2: files: ",
		"run: {command: [./x]\n":                     "carillon.yaml:",
		"run:\n  test: [x]\n":                        "carillon.yaml: run.command: say how",
	} {
		_, err := Open(folder(t, map[string]string{ProjectFile: text}))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "bundle.") || strings.Contains(err.Error(), "unmarshal") {
			t.Errorf("%q:\n%v\nwant %s", text, err, want)
		}
	}
}

func TestOpenByFile(t *testing.T) {
	dir := folder(t, map[string]string{ProjectFile: "run: {command: [./x], build: [make], test: [make, test]}\nfiles: [x]"})
	p, err := Open(filepath.Join(dir, ProjectFile))
	if err != nil {
		t.Fatal(err)
	}
	want := Project{Dir: dir, Command: []string{"./x"}, Build: []string{"make"}, Test: []string{"make", "test"}, Files: []string{"x"}, Level: "local"}
	if d := cmp.Diff(want, p); d != "" {
		t.Error(d)
	}
}
