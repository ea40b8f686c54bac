package imaging

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes put the child into a group of its own and let it die with us.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// addressSpace is what the Go runtime reserves without using, on top of what
// it may use.
const addressSpace = 3 << 30

// confine limits a process from the outside, whatever it is. It opens no more
// than a runtime needs, writes to pipes only and leaves no core.
func confine(pid int, l Limits) error {
	cpu := uint64(l.CPU.Seconds() + 0.999)
	for _, r := range []struct {
		what  int
		limit uint64
	}{
		{unix.RLIMIT_DATA, uint64(l.Memory)},
		{unix.RLIMIT_AS, uint64(l.Memory) + addressSpace},
		{unix.RLIMIT_CPU, cpu},
		{unix.RLIMIT_NOFILE, 32},
		{unix.RLIMIT_FSIZE, 0},
		{unix.RLIMIT_CORE, 0},
	} {
		if err := unix.Prlimit(pid, r.what, &unix.Rlimit{Cur: r.limit, Max: r.limit}, nil); err != nil {
			return err
		}
	}
	return nil
}
