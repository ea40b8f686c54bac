//go:build unix

package pluginhost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// socketDir is this host's own directory under Config.Dir, held by a lock that
// the kernel drops when the host dies, however it dies. That is how the next
// host knows what to sweep, and what belongs to a sibling that still runs.
type socketDir struct {
	path string
	lock *os.File
}

const (
	hostPrefix = "h"
	lockName   = "lock"
)

func openSocketDir(base string) (*socketDir, error) {
	if len(base) > 50 {
		return nil, fmt.Errorf("plugin directory %s: over 50 bytes", base)
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return nil, err
	}
	if err := makePrivate(base); err != nil {
		return nil, fmt.Errorf("plugin directory: %w", err)
	}
	// One host at a time makes or sweeps: a directory without its lock yet
	// would look abandoned.
	guard, err := lock(filepath.Join(base, lockName), syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer func() { _ = guard.Close() }()
	sweep(base)
	path, err := os.MkdirTemp(base, hostPrefix)
	if err != nil {
		return nil, err
	}
	own, err := lock(filepath.Join(path, lockName), syscall.LOCK_EX)
	return &socketDir{path, own}, err
}

// makePrivate makes dir with mode 0700, or accepts one that is this user's.
func makePrivate(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // the parents are public, dir is not
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(owner.Uid) != os.Getuid() {
		return fmt.Errorf("%s is not a directory of this user", dir)
	}
	return os.Chmod(dir, 0o700) //nolint:gosec // a directory needs the x
}

func lock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// sweep removes the directories of hosts that are gone.
func sweep(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		dir := filepath.Join(base, e.Name())
		if !e.IsDir() || !strings.HasPrefix(e.Name(), hostPrefix) {
			continue
		}
		if f, err := lock(filepath.Join(dir, lockName), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			_ = os.RemoveAll(dir)
			_ = f.Close()
		}
	}
}

func (d *socketDir) close() error { return errors.Join(os.RemoveAll(d.path), d.lock.Close()) }
