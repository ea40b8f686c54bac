//go:build unix && !linux

package pluginhost

import (
	"os"
	"os/exec"
	"syscall"
)

// execFile makes cmd run the program at file's path in a process group of its
// own. Only Linux can execute an open file and tie a child's life to a thread;
// here the lifeline on stdin does the latter.
func execFile(cmd *exec.Cmd, file *os.File) {
	cmd.Path = file.Name()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

func selfPath() (string, error) { return os.Executable() }

// limitProcess has no counterpart that works on another process.
func limitProcess(int) {}

// awaitExit leaves the waiting to exec.Cmd.
func awaitExit(int) {}
