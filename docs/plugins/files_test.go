package plugins_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/plugins/declarative"
)

// write puts a block where its reader would.
func (r *reader) write(b block) error {
	path := filepath.Join(r.dir, b.Words["file"])
	text := r.moved.there(b.Text)
	if name := b.Words["func"]; name != "" {
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		changed, err := replaced(source, name, text, b.Words["import"])
		if err != nil {
			return fmt.Errorf("%s:%d: %w", r.name, b.Line, err)
		}
		return os.WriteFile(path, changed, 0o644)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if filepath.Base(path) == "plugin.yaml" {
		if _, err := declarative.Load(r.name, []byte(b.Text), declarative.Options{}); err != nil {
			return err
		}
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// replaced is a Go file in which one function, or method, is another, and
// more packages are imported.
func replaced(source []byte, name, with, imports string) ([]byte, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "", source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != name {
			continue
		}
		from := fn.Pos()
		if fn.Doc != nil {
			from = fn.Doc.Pos()
		}
		out := string(source[:offset(files, from)]) + with + string(source[offset(files, fn.End()):])
		for _, path := range strings.FieldsFunc(imports, func(r rune) bool { return r == ',' }) {
			out = strings.Replace(out, "import (", "import (\n\t\""+path+"\"", 1)
		}
		return format.Source([]byte(out))
	}
	return nil, fmt.Errorf("there is no function %s", name)
}

// passage makes sure that a block is in a file of this repository, but for
// indentation and what "…" stands for.
func passage(b block) error {
	raw, err := os.ReadFile(filepath.Join("../..", b.Words["from"]))
	if err != nil {
		return err
	}
	if !saidSoFar(flat(string(raw)), flat(b.Text)) {
		return fmt.Errorf("line %d: this is not in %s", b.Line, b.Words["from"])
	}
	return nil
}

// flat is text without its indentation.
func flat(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimSpace(line) + "\n")
	}
	return out.String()
}

// parse reads a block of data.
func parse(t *testing.T, b block) error {
	t.Helper()
	switch {
	case b.Lang == "json":
		var v any
		return json.Unmarshal([]byte(b.Text), &v)
	case b.Lang == "yaml" && b.Words["as"] == "test":
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "carillon.yaml"), []byte("run: {command: [./x]}\n"+b.Text), 0o600); err != nil {
			return err
		}
		_, err := rehearsal.Load(dir)
		return err
	default:
		return errors.New("nobody executes a block of " + fmt.Sprintf("%q %v, line %d", b.Lang, b.Words, b.Line))
	}
}

func offset(files *token.FileSet, p token.Pos) int { return files.Position(p).Offset }

// What the documents refer to is there, sections included.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)
	found, err := filepath.Glob("*.md")
	must(t, err)
	for _, name := range found {
		for _, m := range link.FindAllStringSubmatch(text(t, name), -1) {
			to := m[1]
			if to == "" {
				to = name
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if m[2] != "" && !headed(text(t, to), m[2]) {
				t.Errorf("%s: %s has no section %s", name, to, m[2])
			}
		}
	}
}

func headed(document, anchor string) bool {
	for line := range strings.Lines(document) {
		title := strings.TrimSpace(strings.TrimLeft(line, "#"))
		if strings.HasPrefix(line, "#") && strings.NewReplacer(" ", "-", ".", "", ",", "").Replace(strings.ToLower(title)) == anchor {
			return true
		}
	}
	return false
}
