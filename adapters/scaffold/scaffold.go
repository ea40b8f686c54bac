// Package scaffold writes the folder of a new plugin.
//
// What it writes builds and runs at once and is complete but for the contract:
// the two places where an author has to decide something say so themselves, as
// faults whose keys end in ".not_written". The same folder with those places
// filled in is what Finished writes, so the template is known to lead
// somewhere. The imaginary platform that comes with it is the author's to
// change into a fake of the real one. Start with New.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

//go:embed all:templates
var templates embed.FS

// Languages are those that there are templates for.
var Languages = []string{"go", "ts", "py"}

// Options say what to write.
type Options struct {
	Name string // "tern": lower case letters, digits and dashes
	Lang string
	Dir  string // where; made if need be, and empty. "" means a folder of that name
	// Replace is the folder of Carillon's source to build against. Empty means
	// what the package registries have.
	Replace string
	Version string // of the packages there
	// Finished fills in what is otherwise left to the author.
	Finished bool
}

// plan is what the templates are filled with.
type plan struct {
	Options
	ID, Title, Type, Env string
	Requirements         string // of the Go module
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// New writes the folder and returns the paths of its files, relative to Dir.
// It refuses a folder that has something in it.
func New(o Options) ([]string, error) {
	if !namePattern.MatchString(o.Name) || len(o.Name) > 40 {
		return nil, fmt.Errorf("%q is no name for a plugin: use lower case letters, digits and dashes, such as tern", o.Name)
	}
	if !slices.Contains(Languages, o.Lang) {
		return nil, fmt.Errorf("there is no template in %q: %s", o.Lang, strings.Join(Languages, ", "))
	}
	if o.Dir == "" {
		o.Dir = o.Name
	}
	p, err := newPlan(o)
	if err != nil {
		return nil, err
	}
	if err := empty(o.Dir); err != nil {
		return nil, err
	}
	var written []string
	for _, from := range []string{"templates/common", "templates/" + o.Lang} {
		more, err := p.write(from)
		if err != nil {
			return written, err
		}
		written = append(written, more...)
	}
	locked, err := p.lock()
	if err != nil {
		return written, err
	}
	written = append(written, locked...)
	slices.Sort(written)
	return written, nil
}

func newPlan(o Options) (plan, error) {
	p := plan{Options: o, ID: "example." + o.Name}
	for word := range strings.SplitSeq(o.Name, "-") {
		p.Type += strings.ToUpper(word[:1]) + word[1:]
		p.Title += " " + strings.ToUpper(word[:1]) + word[1:]
	}
	p.Title = p.Title[1:]
	p.Env = strings.ToUpper(strings.ReplaceAll(o.Name, "-", "_")) + "_URL"
	if p.Version == "" {
		p.Version = "0.1.0"
	}
	if o.Replace == "" {
		return p, nil
	}
	abs, err := filepath.Abs(o.Replace)
	if err != nil {
		return p, err
	}
	p.Replace = abs
	p.Requirements, err = requirements(abs)
	return p, err
}

// requirements are what Carillon's own module needs, so that a plugin builds
// against its source without asking anybody for versions.
func requirements(source string) (string, error) {
	text, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("%s is not Carillon's source: %w", source, err)
	}
	var out strings.Builder
	inside := false
	for line := range strings.Lines(string(text)) {
		switch word := strings.TrimSpace(line); {
		case strings.HasPrefix(word, "require ("):
			inside = true
		case word == ")":
			inside = false
		case inside && word != "" && !strings.HasPrefix(word, "//"):
			module, _, _ := strings.Cut(word, " //")
			fmt.Fprintf(&out, "\t%s // indirect\n", module)
		}
	}
	return out.String(), nil
}

// lock takes over the checksums of what is required, and says in which file.
func (p plan) lock() ([]string, error) {
	if p.Lang != "go" || p.Replace == "" {
		return nil, nil
	}
	sums, err := os.ReadFile(filepath.Join(p.Replace, "go.sum"))
	if err != nil {
		return nil, err
	}
	return []string{"go.sum"}, os.WriteFile(filepath.Join(p.Dir, "go.sum"), sums, 0o644) //nolint:gosec // a source file
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.MkdirAll(dir, 0o755) //nolint:gosec // a folder of source
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s has something in it already", dir)
	}
	return nil
}

// write fills in every template below from. The names of files end in ".tmpl",
// so that no tool takes them for source.
func (p plan) write(from string) ([]string, error) {
	var written []string
	err := fs.WalkDir(templates, from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(filepath.FromSlash(from), filepath.FromSlash(name))
		rel = strings.TrimSuffix(rel, ".tmpl")
		text, err := p.fill(name)
		if err != nil {
			return err
		}
		to := filepath.Join(p.Dir, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // a folder of source
			return err
		}
		written = append(written, filepath.ToSlash(rel))
		return os.WriteFile(to, text, 0o644) //nolint:gosec // a source file
	})
	return written, err
}

func (p plan) fill(name string) ([]byte, error) {
	// Delimiters that none of the languages uses.
	t, err := template.New(path.Base(name)).Delims("«", "»").Option("missingkey=error").ParseFS(templates, name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, err
	}
	if strings.HasSuffix(name, ".go.tmpl") {
		return format.Source(b.Bytes())
	}
	return b.Bytes(), nil
}
