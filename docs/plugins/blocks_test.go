package plugins_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A block is a code block of a document, with the words of its info string:
// the language, and what the reader is to do with it.
type block struct {
	Line  int // of its first line of code
	Lang  string
	Words map[string]string // file=main.go; a word alone has an empty value
	Text  string
}

// blocksOf reads the fenced blocks of a document. Code that is only indented
// is an error: nothing would say what it is.
func blocksOf(document string) (out []block, err error) {
	var open *block
	blank := true
	for i, line := range strings.Split(document, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && line == "```":
			out, open = append(out, *open), nil
		case open != nil:
			open.Text += line + "\n"
		case isFence:
			open = begun(i+2, fence)
		case blank && strings.HasPrefix(line, "    "):
			return nil, fmt.Errorf("line %d: a code block without a fence", i+1)
		}
		blank = line == ""
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: a code block without an end", open.Line)
	}
	return out, nil
}

func begun(line int, info string) *block {
	b := block{Line: line, Words: map[string]string{}}
	words := strings.Fields(info)
	if len(words) == 0 {
		return &b
	}
	b.Lang = words[0]
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		b.Words[key] = value
	}
	return &b
}

func (b block) has(word string) bool { _, ok := b.Words[word]; return ok }

func TestBlocksOf(t *testing.T) {
	got, err := blocksOf("# A\n\n```sh terminal=2\nls\n\n    x\n```\n- a\n  more\n```go file=main.go fails\n```\n")
	want := []block{
		{Line: 4, Lang: "sh", Words: map[string]string{"terminal": "2"}, Text: "ls\n\n    x\n"},
		{Line: 11, Lang: "go", Words: map[string]string{"file": "main.go", "fails": ""}},
	}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
	for _, bad := range []string{"```sh\nls\n", "a\n\n    code\n"} {
		if _, err := blocksOf(bad); err == nil {
			t.Errorf("%q is a document", bad)
		}
	}
}
