//go:build unix

package localpg

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNoBinaries says that PostgreSQL is not installed, and how to change that.
var ErrNoBinaries = errors.New("no PostgreSQL found. Install it (apt-get install postgresql, brew install postgresql@17), " +
	"point PG_BINDIR at the folder that holds initdb and postgres, or set DATABASE_URL to a server you have")

// wellKnown are the places where packages put the binaries.
var wellKnown = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/usr/local/pgsql/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// binaries picks the folder to run from: for existing data the one of its
// version, else the first of PG_BINDIR, the newest well-known one, $PATH, extra.
func binaries(have int, extra []string) (string, error) {
	found := candidates(extra)
	for _, dir := range found {
		if have == 0 || major(dir) == have {
			return dir, nil
		}
	}
	if have != 0 && len(found) > 0 {
		return "", fmt.Errorf("the data was written by PostgreSQL %d, but only %s can be found; install version %d "+
			"(the data is left as it is)", have, strings.Join(found, ", "), have)
	}
	return "", ErrNoBinaries
}

func candidates(extra []string) []string {
	var dirs []string
	if dir := os.Getenv("PG_BINDIR"); dir != "" {
		dirs = append(dirs, dir)
	}
	dirs = append(dirs, installed()...)
	if p, err := exec.LookPath("postgres"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			dirs = append(dirs, filepath.Dir(p))
		}
	}
	dirs = append(dirs, extra...)
	return slices.DeleteFunc(dirs, func(dir string) bool {
		return !isFile(filepath.Join(dir, "initdb")) || !isFile(filepath.Join(dir, "postgres"))
	})
}

// installed lists the well-known places that exist, newest version first.
func installed() []string {
	var dirs []string
	for _, pattern := range wellKnown {
		m, _ := filepath.Glob(pattern) // fails only for a bad pattern
		dirs = append(dirs, m...)
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return cmp.Compare(major(b), major(a)) })
	return dirs
}

// major asks the binary for its version; 0 if it does not say.
func major(dir string) int {
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output() // "postgres (PostgreSQL) 15.9 (Debian …)"
	if err != nil {
		return 0
	}
	f := strings.Fields(string(out))
	if len(f) < 3 {
		return 0
	}
	digits := strings.FieldsFunc(f[2], func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(digits[0])
	return n
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.IsDir()
}
