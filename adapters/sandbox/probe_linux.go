package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// probe is the guest that tries what it may do. For each part it tells what it
// could do that it should not, or nothing.
func probe() {
	var t trial
	said := map[string]string{}
	if err := json.Unmarshal([]byte(os.Getenv("TRIAL")), &t); err != nil {
		said["wrong"] = err.Error()
	} else if err := reach("tcp", t.Allowed); err != nil {
		said["wrong"] = "the proxy cannot be reached: " + err.Error()
	}
	for name, try := range map[string]func(trial) string{
		files: tryFiles, disk: tryDisk, ending: tryNothing, paths: tryPath, abstract: tryAbstract, tcp: tryTCP, protocols: tryProtocols, others: tryOthers,
		memory: tryMemory, privileges: tryPrivileges, calls: tryCalls,
	} {
		said[name] = try(t)
	}
	said[processes] = tryProcesses() // last: from here on nothing can be started
	b, err := json.Marshal(said)
	if err == nil {
		_, err = os.Stdout.Write(b)
	}
	if err != nil {
		os.Exit(1)
	}
	_, _ = os.Stdin.Read(make([]byte, 1)) // it is being weighed
	os.Exit(0)
}

// written is the file that the probe leaves where it should not.
const written = "carillon-probe"

func reach(network, address string) error {
	d := net.Dialer{Timeout: 2 * time.Second}
	c, err := d.DialContext(context.Background(), network, address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	_, err = c.Read(make([]byte, 1))
	return err
}

func tryFiles(t trial) string {
	for _, path := range []string{t.File, "/etc/shadow", "/root/.profile"} {
		if f, err := os.Open(path); err == nil {
			_ = f.Close()
			return "could read " + path
		}
	}
	// The host looks whether this one arrives: a guest may have a folder of its
	// own by that name.
	_ = leave(filepath.Join(filepath.Dir(t.File), written))
	for _, dir := range []string{"/usr/lib", "/etc", "/var/tmp", "/dev/shm"} {
		path := filepath.Join(dir, written)
		if leave(path) == nil {
			_ = os.Remove(path)
			return "could write to " + dir
		}
	}
	return ""
}

// leave makes an empty file where there is none.
func leave(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func tryDisk(t trial) string {
	var fs unix.Statfs_t
	if err := unix.Statfs(t.Own, &fs); err != nil {
		return err.Error()
	}
	if err := leave(filepath.Join(t.Own, written)); err != nil {
		return "could not write to its own folder: " + err.Error()
	}
	if size := fs.Blocks * uint64(fs.Bsize); fs.Type != unix.TMPFS_MAGIC || size > guestBytes || fs.Files > guestFiles {
		return "could fill the host's disk"
	}
	return ""
}

// tryNothing is what the host knows better.
func tryNothing(trial) string { return "" }

func tryPath(t trial) string {
	if reach("unix", t.Socket) == nil {
		return "could connect to a socket in a folder that is not its own"
	}
	return ""
}

func tryAbstract(t trial) string {
	if reach("unix", t.Abstract) == nil {
		return "could connect to an abstract socket"
	}
	return ""
}

func tryTCP(t trial) string {
	if len(t.Closed) == 2 && reach("tcp", t.Closed[0]) == nil {
		return "could connect to any address"
	}
	if len(t.Closed) == 2 && reach("tcp", t.Closed[1]) == nil {
		return "could connect to another address with the proxy's port number"
	}
	return ""
}

func tryProtocols(trial) string {
	const mptcp = 262
	for name, s := range map[string][3]int{
		"UDP":  {unix.AF_INET, unix.SOCK_DGRAM, 0},
		"UDP6": {unix.AF_INET6, unix.SOCK_DGRAM, 0}, "MPTCP": {unix.AF_INET, unix.SOCK_STREAM, mptcp}, "SCTP": {unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP},
		"raw": {unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}, "ping": {unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP},
		"netlink": {unix.AF_NETLINK, unix.SOCK_RAW, 0}, "packet": {unix.AF_PACKET, unix.SOCK_RAW, 0}, "vsock": {unix.AF_VSOCK, unix.SOCK_STREAM, 0},
	} {
		if fd, err := unix.Socket(s[0], s[1]|unix.SOCK_CLOEXEC, s[2]); err == nil {
			_ = unix.Close(fd)
			return "could make a socket for " + name
		}
	}
	return ""
}

func tryOthers(t trial) string {
	if unix.Kill(t.Host, 0) == nil {
		return "could signal its host"
	}
	if _, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", t.Host)); err == nil {
		return "could read its host's environment"
	}
	return ""
}

func tryMemory(t trial) string {
	size := int(2 * t.Memory)
	if b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err == nil {
		_ = unix.Munmap(b)
		return "could have more than it may"
	}
	if b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS); err == nil {
		_ = unix.Munmap(b)
		return "could have shared memory, which is not counted"
	}
	if fd, err := unix.Open("/dev/zero", unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		defer func() { _ = unix.Close(fd) }()
		if b, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
			_ = unix.Munmap(b)
			return "could share memory of a device, which is not counted"
		}
	}
	return ""
}

func tryPrivileges(trial) string {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	if err := unix.Capget(&header, &has[0]); err != nil || has != ([2]unix.CapUserData{}) {
		return "has capabilities"
	}
	if n, _, err := unix.Syscall6(unix.SYS_PRCTL, unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0, 0); err != 0 || n != 1 {
		return "could gain rights by executing a program"
	}
	return ""
}

func tryCalls(trial) string {
	if err := unix.Unshare(unix.CLONE_NEWUTS); err == nil {
		return "could make namespaces"
	}
	if _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, false); err != unix.ENOSYS {
		return "could use the kernel's keyrings"
	}
	var uring [120]byte
	if _, _, err := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&uring)), 0); err != unix.ENOSYS {
		return "could set up io_uring"
	}
	return ""
}

// tryProcesses lowers its own limit to what there is already, and starts one
// more. What is started is no program, so it never runs.
func tryProcesses() string {
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: 1, Max: 1}); err != nil {
		return "could not be limited: " + err.Error()
	}
	if _, err := syscall.ForkExec("/dev/null", []string{"null"}, nil); err != syscall.EAGAIN {
		return "could start more than it may"
	}
	return ""
}
