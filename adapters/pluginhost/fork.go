//go:build unix

package pluginhost

import (
	"runtime"
	"syscall"
)

const terminateSignal = syscall.SIGTERM

// killGroup ends a process group. An error means that there is none.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// forker forks every child from one thread that lives as long as the host: the
// parent-death signal is sent when the forking thread ends, and Go ends idle
// threads as it likes. Only the fork is serialised, not what follows.
type forker struct{ jobs chan func() }

func newForker() *forker {
	f := &forker{make(chan func())}
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		for job := range f.jobs {
			job()
		}
	}()
	return f
}

func (f *forker) do(fn func() error) error {
	result := make(chan error, 1)
	f.jobs <- func() { result <- fn() }
	return <-result
}

func (f *forker) close() { close(f.jobs) }
