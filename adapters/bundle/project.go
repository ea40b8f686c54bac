package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The files that make a folder a plugin's. A folder has the first, or the
// second, or both; what the second says of running a program wins over nothing,
// because a declarative plugin has none.
const (
	ProjectFile     = "carillon.yaml"
	DeclarativeFile = "plugin.yaml"
)

// Declarative is the Spec.Name of a plugin that is one YAML file: the plugin of
// this program that serves it.
const Declarative = "declarative"

// maxProject is the size of the largest project file, in bytes.
const maxProject = 64 << 10

// A Project is a plugin's folder as its author keeps it. What the plugin is,
// its id, name and version, is not said here: it says so itself when asked.
type Project struct {
	Dir string // absolute
	// Command runs the plugin, with Dir as working directory. Its first word is
	// a path below Dir ("./bin/plugin") or the bare name of an interpreter of
	// the system ("python3"). Empty if the plugin is declarative.
	Command []string
	Build   []string // makes what Command needs; empty: nothing to make
	Test    []string // the author's own tests; empty: none
	// Files are what a bundle holds, as patterns relative to Dir: each as
	// path.Match has it, or ending in "/**" for all that is below. Empty:
	// the project's own files, see Project.List.
	Files []string
	Level string // "local" unless it says otherwise
}

// file is carillon.yaml as written.
type file struct {
	Run struct {
		Command []string `yaml:"command"`
		Build   []string `yaml:"build"`
		Test    []string `yaml:"test"`
	} `yaml:"run"`
	Files []string `yaml:"files"`
	Level string   `yaml:"level"`
	// How the plugin is tried against a fake; package rehearsal reads it.
	Rehearsal yaml.Node `yaml:"test"`
}

// Open reads the project in dir, which may also be named by its carillon.yaml
// or plugin.yaml. Every mistake names the file and the field.
func Open(dir string) (Project, error) {
	switch filepath.Base(dir) {
	case ProjectFile, DeclarativeFile:
		dir = filepath.Dir(dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Project{}, err
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return Project{}, err
	}
	defer root.Close()
	where := filepath.Join(abs, ProjectFile)
	p, at, err := readProject(root)
	if err != nil {
		return Project{}, fmt.Errorf("%s%w", where, err)
	}
	p.Dir = abs
	if field, err := p.check(root); err != nil {
		return p, fmt.Errorf("%s%s%s: %w", where, at.Of(field), field, err)
	}
	return p, nil
}

func readProject(root *os.Root) (Project, Lines, error) {
	text, err := readSmall(root, ProjectFile)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := root.Stat(DeclarativeFile); err == nil {
			return Project{Level: "local"}, nil, nil
		}
		return Project{}, nil, fmt.Errorf(": no such file, nor a %s: this is no plugin's folder", DeclarativeFile)
	}
	if err != nil {
		return Project{}, nil, fmt.Errorf(": %w", err)
	}
	return parseProject(text)
}

// parseProject reads the file. Its error begins with ":LINE: " where one is known.
func parseProject(text []byte) (Project, Lines, error) {
	f := file{Level: "local"}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return Project{}, nil, Mistake(err)
	}
	return Project{Command: f.Run.Command, Build: f.Run.Build, Test: f.Run.Test, Files: f.Files, Level: f.Level}, LinesOf(text), nil
}

func readSmall(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxProject+1))
	if err == nil && len(text) > maxProject {
		err = fmt.Errorf("%s has more than %d bytes", name, maxProject)
	}
	return text, err
}

// check holds what the two files may say together, and names the field where
// they do not.
func (p Project) check(root *os.Root) (field string, err error) {
	_, err = root.Stat(DeclarativeFile)
	declarative := err == nil
	switch {
	case p.Level != "local":
		return "level", fmt.Errorf("a folder is %q; signing a bundle of it is what raises that", "local")
	case declarative && len(p.Command) > 0:
		return "run.command", fmt.Errorf("a plugin with a %s has no program of its own", DeclarativeFile)
	case declarative:
		return "", nil
	}
	if err := checkCommand(p.Command); err != nil {
		return "run.command", err
	}
	for _, pattern := range p.Files {
		if err := checkPattern(pattern); err != nil {
			return "files", err
		}
	}
	return "", nil
}

// checkCommand refuses what a bundle could not take along.
func checkCommand(command []string) error {
	if len(command) == 0 || command[0] == "" {
		return errors.New(`say how the plugin is run, such as ["./bin/plugin"] or ["python3", "main.py"]`)
	}
	if strings.Contains(command[0], "/") && !filepath.IsLocal(command[0]) {
		return fmt.Errorf("%q is not below the plugin's folder", command[0])
	}
	for _, word := range command {
		if strings.ContainsAny(word, "\x00\n") {
			return fmt.Errorf("%q cannot be an argument", word)
		}
	}
	return nil
}

func checkPattern(pattern string) error {
	if !filepath.IsLocal(pattern) {
		return fmt.Errorf("%q is not below the plugin's folder", pattern)
	}
	_, err := path.Match(pattern, "")
	if err != nil {
		return fmt.Errorf("%q: %w", pattern, err)
	}
	return nil
}

// Declarative reports whether the plugin is a YAML file and no program.
func (p Project) Declarative() bool { return len(p.Command) == 0 }

// A Spec is how a plugin is run, field by field what a plugin host takes.
type Spec struct {
	// Name is the plugin of this program that serves it; empty if it has a
	// program of its own.
	Name string
	// Binary is the plugin's program: an absolute path, or the bare name of an
	// interpreter. Empty with Name.
	Binary string
	Args   []string // what follows the program; paths are relative to Dir
	Dir    string   // absolute: the working directory
	// Interpreter says that Binary is one of the system's, which starts more
	// slowly and whose digest says nothing about the plugin.
	Interpreter bool
}

// Spec says how the plugin is run where it stands.
func (p Project) Spec() Spec { return specOf(p.Dir, p.Command) }

func specOf(dir string, command []string) Spec {
	if len(command) == 0 {
		return Spec{Name: Declarative, Args: []string{DeclarativeFile}, Dir: dir}
	}
	s := Spec{Binary: command[0], Args: command[1:], Dir: dir}
	if s.Interpreter = !strings.Contains(s.Binary, "/"); !s.Interpreter {
		s.Binary = filepath.Join(dir, s.Binary)
	}
	return s
}
