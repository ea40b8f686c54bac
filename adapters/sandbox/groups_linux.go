package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// groups is a control group (version 2) that was given to this process to make
// others in: by systemd (Delegate=), by its owner, or by name in
// CARILLON_CGROUP. One that was not is left alone, even by root, for it is
// somebody else's to arrange.
type groups struct {
	dir    string
	kernel kernel
}

// kernel makes and removes control groups. Where it does, folders come with the
// files that hold their limits, and go with them.
type kernel struct {
	mkdir  func(string, os.FileMode) error
	remove func(string) error
}

// A group holds one guest and all that it starts, wherever it goes.
type group struct {
	dir    string
	file   *os.File // the folder, for the kernel to start the guest in
	remove func(string) error
}

// leaf is where this process goes: a group that others are made in holds no
// processes itself.
const leaf = "carillon-host"

var needed = []string{"memory", "pids"}

// findGroups looks for a control group of this process's own. Nil: there is
// none, which the error explains.
func findGroups() (*groups, error) {
	if dir := os.Getenv("CARILLON_CGROUP"); dir != "" {
		return openGroups(dir, os.Getpid())
	}
	dir, err := ownGroup("/proc/self/cgroup", "/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	why := errors.New("no control group was delegated to this process")
	for _, at := range []string{dir, filepath.Dir(dir)} {
		if !delegated(at) {
			continue
		}
		g, err := openGroups(at, os.Getpid())
		if err == nil {
			return g, nil
		}
		why = err
	}
	return nil, why
}

// ownGroup is the folder of the group that this process is in.
func ownGroup(membership, mounts string) (string, error) {
	b, err := os.ReadFile(membership)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			root, err := mountOf("cgroup2", mounts)
			return filepath.Join(root, path), err
		}
	}
	return "", errors.New("this system has no control groups of version 2")
}

// mountOf is where a file system of that type is mounted.
func mountOf(kind, mounts string) (string, error) {
	f, err := os.Open(mounts)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		at := strings.Fields(before)
		if fs := strings.Fields(after); len(fs) > 0 && fs[0] == kind && len(at) > 4 {
			return at[4], nil
		}
	}
	return "", fmt.Errorf("no %s is mounted", kind)
}

// delegated reports whether a group was given to this process's user to arrange.
func delegated(dir string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		said := make([]byte, 1)
		if n, err := unix.Getxattr(dir, name, said); err == nil && n == 1 && said[0] == '1' {
			return true
		}
	}
	var st unix.Stat_t
	return os.Geteuid() != 0 && unix.Stat(filepath.Join(dir, "cgroup.subtree_control"), &st) == nil && int(st.Uid) == os.Geteuid()
}

// openGroups makes dir a group that others can be made in, with limits. If this
// process is in it, it moves below; if others are, they are not ours to move.
func openGroups(dir string, self int) (*groups, error) {
	has, err := words(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	for _, name := range needed {
		if !slices.Contains(has, name) {
			return nil, fmt.Errorf("%s has no controller for %s", dir, name)
		}
	}
	inside, err := words(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(inside, func(pid string) bool { return pid != strconv.Itoa(self) }) {
		return nil, fmt.Errorf("%s has other processes in it", dir)
	}
	if len(inside) > 0 {
		if err := moveBelow(dir, self); err != nil {
			return nil, err
		}
	}
	if err := put(dir, "cgroup.subtree_control", "+memory +pids"); err != nil {
		return nil, err
	}
	return &groups{dir, kernel{os.Mkdir, os.Remove}}, nil
}

func moveBelow(dir string, self int) error {
	below := filepath.Join(dir, leaf)
	if err := os.Mkdir(below, 0o755); err != nil && !errors.Is(err, os.ErrExist) { //nolint:gosec // as the kernel's own
		return err
	}
	return put(below, "cgroup.procs", strconv.Itoa(self))
}

func words(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	return strings.Fields(string(b)), err
}

func put(dir, name, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

var groupNumber atomic.Int64

// make makes a group with p's limits. Its limit of processes stands beside the
// guest's own, which counts by user.
func (g *groups) make(p Policy) (*group, error) {
	dir := filepath.Join(g.dir, fmt.Sprintf("plugin-%d-%d", os.Getpid(), groupNumber.Add(1)))
	if err := g.kernel.mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	out := &group{dir: dir, remove: g.kernel.remove}
	err := errors.Join(put(dir, "memory.max", strconv.FormatUint(p.Total, 10)), put(dir, "pids.max", strconv.FormatUint(p.Processes, 10)))
	// Not everywhere; without them a guest may swap, and be ended in parts.
	_, _ = put(dir, "memory.swap.max", "0"), put(dir, "memory.oom.group", "1")
	if err == nil {
		out.file, err = os.Open(dir)
	}
	if err != nil {
		out.close()
		return nil, err
	}
	return out, nil
}

// exceeded tells whether the kernel ended the guest for its memory.
func (g *group) exceeded() bool {
	said, err := words(filepath.Join(g.dir, "memory.events"))
	if err != nil {
		return false
	}
	at := slices.Index(said, "oom_kill")
	return at >= 0 && at+1 < len(said) && said[at+1] != "0"
}

// close ends what is left in the group and removes it, as soon as the kernel
// lets it.
func (g *group) close() {
	if g.file != nil {
		_ = g.file.Close()
	}
	_ = put(g.dir, "cgroup.kill", "1")
	if g.remove(g.dir) == nil {
		return
	}
	go func() {
		for range 50 {
			<-time.After(100 * time.Millisecond)
			if g.remove(g.dir) == nil {
				return
			}
		}
	}()
}
