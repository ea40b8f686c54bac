package declarative

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"
	"go.yaml.in/yaml/v3"
)

// A Flaw is one thing wrong with a file, and where.
type Flaw struct {
	File         string
	Line, Column int // from 1
	Field        string
	Message      string
}

func (f *Flaw) Error() string {
	where := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Field != "" {
		where += f.Field + ": "
	}
	return where + f.Message
}

// place is where a value stands.
type place struct {
	line, column int
	field        string
}

func at(n *yaml.Node, field string) place { return place{n.Line, n.Column, field} }

// flaws collects what is wrong, so that an author sees it all at once.
type flaws struct {
	file string
	list []error
	keys map[string]place // of every field that was read
}

func (f *flaws) add(at place, format string, args ...any) {
	if len(f.list) < maxFlaws {
		f.list = append(f.list, &Flaw{f.file, max(at.line, 1), max(at.column, 1), at.field, fmt.Sprintf(format, args...)})
	}
}

func (f *flaws) err() error { return errors.Join(f.list...) }

func (e *Expr) column(from int) place {
	p := e.at
	p.column += utf8.RuneCountInString(e.source[:min(max(from, 0), len(e.source))])
	return p
}

func (e *Expr) flaw(err error, f *flaws) {
	var said *file.Error
	if !errors.As(err, &said) {
		f.add(e.at, "%s", err)
		return
	}
	p := e.at
	p.line += said.Line - 1
	if said.Line == 1 {
		p.column += said.Column
	} else {
		p.column = said.Column + 1
	}
	f.add(p, "%s", strings.ReplaceAll(said.Message, "declarative.", "")) // our types have no other name for authors
}
