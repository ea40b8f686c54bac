package network_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

// A journal that two processes wrote, or a disk garbled, loses the lines that
// are garbled and no others.
func TestGarbledLinesAreLeftOut(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.jsonl")
	before, err := network.Open(network.Options{Dir: dir, Accounts: []string{"harbour"}})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := before.SignIn("harbour")
	if err != nil {
		t.Fatal(err)
	}
	_ = before.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := bytes.Cut(good, []byte("\n"))
	garbled := append(append(append([]byte(nil), first...), []byte("\n\"x\":1}{\"kind\":\"post\"}\n{\"kind\":\"nope\"}\n")...), rest...)
	garbled = append(garbled, []byte(`{"kind":"po`)...)
	if err := os.WriteFile(path, garbled, 0o600); err != nil {
		t.Fatal(err)
	}

	var said string
	b := open(t, network.Options{Dir: dir, Accounts: []string{"harbour"}, Warn: func(what string) { said += what }})
	for _, want := range []string{path, "2 lines", "line 2", path + ".bad-"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q does not say %q", said, want)
		}
	}
	b.token = tokens.Access
	if status, _, _ := b.do("GET", "/api/v1/me", ""); status != 200 {
		t.Errorf("the sign-in after the bad line: %d", status)
	}
	aside, _ := filepath.Glob(path + ".bad-*")
	if len(aside) != 1 {
		t.Fatalf("put aside: %v", aside)
	}
	if kept, _ := os.ReadFile(aside[0]); !bytes.Equal(kept, garbled) {
		t.Errorf("put aside: %s", kept)
	}
	if now, _ := os.ReadFile(path); !bytes.HasPrefix(now, good) {
		t.Errorf("left: %s, want first %s", now, good)
	}
}
