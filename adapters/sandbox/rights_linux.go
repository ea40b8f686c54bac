package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dropRights becomes another user if it is told to and gives up every
// capability, for good.
func dropRights(o order) error {
	for c := range 64 { // those the kernel does not know answer EINVAL
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
	}
	if o.UID != 0 {
		if err := becomeUser(o.UID); err != nil {
			return err
		}
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

// becomeUser changes this thread alone, which is the one that executes.
func becomeUser(id int) error {
	u := uintptr(id)
	for _, call := range [][4]uintptr{
		{unix.SYS_SETGROUPS, 0, 0, 0}, {unix.SYS_SETRESGID, u, u, u}, {unix.SYS_SETRESUID, u, u, u},
	} {
		if _, _, err := unix.RawSyscall(call[0], call[1], call[2], call[3]); err != 0 {
			return fmt.Errorf("become user %d: %w", id, err)
		}
	}
	return nil
}

// limit sets what one process may use. Address space is not limited: Go and
// Node reserve far more than they use, and what they use counts as data.
func limit(p Policy) error {
	p = p.orDefaults()
	for _, l := range []struct {
		what  int
		limit uint64
	}{
		{unix.RLIMIT_CORE, 0}, {unix.RLIMIT_NOFILE, p.Files}, {unix.RLIMIT_FSIZE, p.FileSize}, {unix.RLIMIT_DATA, p.Memory},
		{unix.RLIMIT_NPROC, p.Processes}, {unix.RLIMIT_MEMLOCK, 64 << 10}, {unix.RLIMIT_MSGQUEUE, 0},
	} {
		r := [2]uint64{l.limit, l.limit}
		if _, _, err := unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(l.what), uintptr(unsafe.Pointer(&r)), 0, 0, 0); err != 0 {
			return fmt.Errorf("limit %d: %w", l.what, err)
		}
	}
	return nil
}
