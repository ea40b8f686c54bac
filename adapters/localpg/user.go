//go:build unix

package localpg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// runAs is the user that the server runs as: nil for ourselves, and for root,
// which PostgreSQL refuses, "postgres" or else "nobody".
func runAs() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{}}
		}
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{}}
}

// command is a program of the server's, in its own session so that a Ctrl-C at
// the terminal reaches the application first and not its database.
func command(as *syscall.Credential, dir, path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: as}
	return cmd
}

// explain turns the kernel's "operation not permitted" into advice.
func explain(err error) error {
	if os.Geteuid() == 0 && errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("PostgreSQL does not run as root, and this root may not change user. "+
			"Run as a normal user, or set DATABASE_URL to a server you have: %w", err)
	}
	return err
}

// give makes path belong to the server's user.
func give(path string, as *syscall.Credential) error {
	if as == nil {
		return nil
	}
	return explain(os.Chown(path, int(as.Uid), int(as.Gid)))
}

// reachable reports whether the server's user can enter dir.
func reachable(dir string, as *syscall.Credential) error {
	if as == nil {
		return nil
	}
	for d := dir; ; d = filepath.Dir(d) {
		st, err := os.Stat(d)
		if err != nil {
			return err
		}
		owned := false
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			owned = sys.Uid == as.Uid && st.Mode()&0o100 != 0
		}
		if !owned && st.Mode()&0o001 == 0 {
			return fmt.Errorf("running as root, so the database runs as user %d, which cannot enter %s (%v): "+
				"choose another data folder, such as /var/lib/carillon, or set DATABASE_URL", as.Uid, d, st.Mode())
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}
