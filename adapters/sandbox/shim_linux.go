package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shimName is argument 0 of the shim. Whoever runs this program by that name
// gets a process with fewer rights than it would have had.
const shimName = "carillon-sandbox"

// probeName is argument 0 of the guest that tries what it may do.
const probeName = "carillon-sandbox-probe"

// ready says that Main was called, so that executing this program again does
// not run it again.
var ready bool

// Main is called first in the main function of every program that starts
// guests, and in TestMain. It returns at once, except in the copy that is to
// become a guest: there it never returns.
func Main() {
	ready = true
	switch os.Args[0] {
	case shimName:
		become()
	case probeName:
		probe()
	}
}

// become turns this process into the guest, or says why not and ends.
func become() {
	runtime.LockOSThread() // rights are a thread's, and this one will execute
	debug.SetGCPercent(-1)
	unix.CloseOnExec(controlFD)
	o, err := receiveOrder()
	if err == nil {
		err = confine(o)
	}
	if err == nil {
		err = execute(o)
	}
	_ = unix.Sendmsg(controlFD, []byte(err.Error()), nil, nil, 0)
	os.Exit(126)
}

// confine gives everything up, in the order in which one needs another.
func confine(o order) error {
	// When memory runs out, guests go first.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	if o.Plan.Namespaces {
		if err := enter(o); err != nil {
			return err
		}
	}
	if err := dropRights(o); err != nil {
		return err
	}
	if err := chdir(o.Dir); err != nil {
		return err
	}
	if err := limit(o.Policy); err != nil {
		return err
	}
	if err := outlives(); err != nil {
		return err
	}
	if o.Plan.Landlock > 0 {
		if err := fence(o); err != nil {
			return err
		}
	}
	if o.Plan.Seccomp {
		return enforceFilter(!o.Plan.Namespaces)
	}
	return nil
}

func chdir(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return &os.PathError{Op: "chdir", Path: dir, Err: err}
	}
	return nil
}

// outlives makes the kernel end this process with its host, which giving up
// rights made it forget, and notices a host that was gone before.
func outlives() error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	lifeline := []unix.PollFd{{Fd: 0}}
	if n, err := unix.Poll(lifeline, 0); err == nil && n > 0 && lifeline[0].Revents&unix.POLLHUP != 0 {
		return fmt.Errorf("the host is gone")
	}
	return nil
}

// fence is Landlock's share.
func fence(o order) error {
	r, err := newRuleset(o.Plan.Landlock, !o.Policy.Open)
	if err != nil {
		return err
	}
	for _, p := range append(systemPaths(o.Policy.Open), o.Policy.ReadOnly...) {
		if err := r.path(p, readRights); err != nil {
			return err
		}
	}
	for _, p := range append([]string{guestTemp, o.Policy.Sockets}, o.Policy.ReadWrite...) {
		if p == "" || p == guestTemp && !o.Plan.Namespaces {
			continue // everybody's
		}
		if err := r.path(p, writeRights); err != nil {
			return err
		}
	}
	for _, p := range devices {
		if err := r.path(p, deviceRights); err != nil {
			return err
		}
	}
	if o.Plan.Namespaces { // of its own processes only
		if err := r.path("/proc", readRights); err != nil {
			return err
		}
	}
	if o.Path == "" {
		if err := r.beneath(programFD, readRights); err != nil {
			return err
		}
	} else if err := r.path(o.Path, readRights); err != nil {
		return err
	}
	if o.Plan.Landlock >= 4 && !o.Policy.Open {
		for _, port := range portsOf(o.Policy.Connect) {
			if err := r.connect(port); err != nil {
				return err
			}
		}
	}
	return r.enforce()
}

// A descriptor is an open file that nobody closes.
type descriptor int

// ReadAt implements io.ReaderAt.
func (fd descriptor) ReadAt(b []byte, at int64) (int, error) { return unix.Pread(int(fd), b, at) }

// execute runs the program. The file that was checked is executed itself, not
// what is at its path by now.
func execute(o order) error {
	if o.Path != "" {
		return &os.PathError{Op: "exec", Path: o.Path, Err: syscall.Exec(o.Path, o.Args, o.Env)}
	}
	if !IsScript(descriptor(programFD)) { // whose interpreter opens it again
		unix.CloseOnExec(programFD)
	}
	empty := [1]byte{}
	argv, err := syscall.SlicePtrFromStrings(o.Args)
	if err != nil {
		return err
	}
	env, err := syscall.SlicePtrFromStrings(o.Env)
	if err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, programFD, uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])), unix.AT_EMPTY_PATH, 0)
	return fmt.Errorf("exec %s: %w", o.Args[0], errno)
}
