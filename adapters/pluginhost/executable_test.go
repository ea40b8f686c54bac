package pluginhost

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/filestamp"
)

// Another content under the same size and time of writing is another program.
func TestAProgramThatWasChangedInPlaceIsSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	long := time.Now().Add(-time.Hour)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	write("#!/bin/one")
	e := &executable{path: path}
	defer func() { _ = e.close() }()
	file, err := e.open("")
	if err != nil {
		t.Fatal(err)
	}
	first := e.digest()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	e.stamp = filestamp.Of(info) // as if it had been read long after it was written
	if _, err := e.open(first); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); e.stamp.Same(info) && time.Now().Before(end); {
		write("#!/bin/two") // the clock of the file system ticks
		if info, err = file.Stat(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.open(first); err == nil || e.digest() == first {
		t.Errorf("%v, digest %s", err, e.digest())
	}
}

// What is run by its path is hashed anew when another file is there.
func TestAnInterpreterThatWasReplacedIsSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "python9")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	put("one")
	e := &executable{path: path, byPath: true}
	defer func() { _ = e.close() }()
	for _, text := range []string{"one", "two"} {
		put(text)
		before := e.digest()
		if _, err := e.open(""); err != nil || e.digest() == before {
			t.Errorf("%s: %v, digest %s as before", text, err, e.digest())
		}
	}
}
