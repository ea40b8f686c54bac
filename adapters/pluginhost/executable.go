package pluginhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/adapters/filestamp"
	"github.com/carillonhq/carillon/adapters/sandbox"
)

// executable is a program that was opened and hashed once and is run from that
// open file ever after. It is hashed again if it was written to since.
type executable struct {
	path   string // empty: the running program
	must   string // the digest it has to have for anyone; empty: any
	byPath bool   // an interpreter of the system, which finds its libraries by where it is

	mu    sync.Mutex
	file  *os.File
	sum   string
	stamp filestamp.Stamp // of the file before it was hashed; none if it was written to only just before
}

// open returns the file to execute, if its digest is want and the one that it
// must have. Empty, each is any.
func (e *executable) open(want string) (*os.File, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	held := e.file != nil
	if err := e.known(); err != nil {
		return nil, err
	}
	if want != "" && want != e.sum && held {
		// It was damaged; what is in its place by now may not be. Whoever
		// starts it this moment has it open still.
		e.file, e.sum = nil, ""
		if err := e.known(); err != nil {
			return nil, err
		}
	}
	for _, right := range []string{want, e.must} {
		if right != "" && right != e.sum {
			return nil, fmt.Errorf("%s has digest %s, not %s", e.path, e.sum, right)
		}
	}
	return e.file, nil
}

// known opens the file if it is not, and hashes it if that was not done since
// it was written to. Called with the lock held.
func (e *executable) known() error {
	if e.byPath && e.file != nil && e.replaced() {
		_ = e.file.Close() // what is run by its path is not run from it
		e.file, e.sum = nil, ""
	}
	if e.file == nil {
		if err := e.openOnce(); err != nil {
			return err
		}
	}
	info, err := e.file.Stat()
	if err != nil {
		return err
	}
	if e.sum != "" && e.stamp.Same(info) {
		return nil
	}
	stamp := filestamp.Of(info)
	if !stamp.Older(time.Now(), filestamp.Margin) {
		stamp = filestamp.Stamp{}
	}
	e.sum, err = hash(e.file, info.Size())
	e.stamp = stamp
	return err
}

// replaced reports whether another file is at the path by now, as after an
// update of an interpreter: that is what would run.
func (e *executable) replaced() bool {
	held, err := e.file.Stat()
	if err != nil {
		return true
	}
	there, err := os.Stat(e.path)
	return err != nil || !os.SameFile(held, there)
}

func (e *executable) openOnce() error {
	path := e.path
	if path == "" {
		var err error
		if path, err = selfPath(); err != nil {
			return err
		}
	}
	var err error
	e.file, err = os.Open(path)
	return err
}

// isInterpreter reports whether spec's program is one of the system's.
func isInterpreter(spec Spec) bool {
	return spec.Binary != "" && !strings.Contains(spec.Binary, "/")
}

// programOf is the path of what spec runs.
func programOf(cfg Config, spec Spec) (string, error) {
	switch {
	case spec.Binary == "":
		return cfg.Binary, nil
	case !isInterpreter(spec):
		return spec.Binary, nil
	}
	path, err := exec.LookPath(spec.Binary)
	if err != nil {
		return "", fmt.Errorf("plugin %s: %w", spec.ID, err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil || !isScript(path) {
		return path, err
	}
	return behind(path, spec.Binary)
}

func isScript(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return sandbox.IsScript(f)
}

// behind asks an interpreter that a version manager put a script in front of
// where it is: the script needs a home and a profile, which plugins have not.
func behind(path, name string) (string, error) {
	question := []string{"-c", "import sys; print(sys.executable)"}
	if strings.HasPrefix(name, "node") {
		question = []string{"-p", "process.execPath"}
	} else if !strings.HasPrefix(name, "python") {
		return path, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := exec.CommandContext(ctx, path, question...).Output()
	if err != nil {
		return "", fmt.Errorf("%s does not say where it is: %w", path, err)
	}
	return filepath.EvalSymlinks(strings.TrimSpace(string(answer)))
}

func hash(file io.ReaderAt, size int64) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(file, 0, size)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// digest is the hexadecimal SHA-256, empty before the first run.
func (e *executable) digest() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sum
}

func (e *executable) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		return nil
	}
	return e.file.Close()
}
