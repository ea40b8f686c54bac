package pluginhost

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// execFile makes cmd run file itself, whatever is at its path by now, in a
// process group of its own that dies with the thread that forked it.
func execFile(cmd *exec.Cmd, file *os.File) {
	cmd.Path = "/proc/self/fd/3" // the first of ExtraFiles, as the child sees it
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// selfPath is the running program, even after an upgrade replaced its file.
func selfPath() (string, error) { return "/proc/self/exe", nil }

// limitProcess takes away what a plugin has no use for. It cannot get it back.
func limitProcess(pid int) {
	_ = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 512, Max: 512}, nil)
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
}

// awaitExit returns when the child has ended and before it is reaped: until
// then its number, and its group's, belong to nobody else.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}
