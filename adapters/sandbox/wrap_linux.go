package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Cage is the host's end of one guest.
type Cage struct {
	control, theirs *os.File
	order           order
	group           *group // that the guest is in, if there are any
	entered         chan struct{}

	mu     sync.Mutex
	closed bool
	relays []*relay
	folder *os.File // the guest's socket folder, where that is a file system of its own
}

// Wrap changes cmd, which has not been started, so that it starts confined by
// p. program is the open file to execute; nil means that cmd.Path is executed
// by its path. It also tells the level that this guest will have. In mode Best
// the Cage is nil where nothing can be confined, in mode Off always. Error: in
// mode Required, if anything is missing that it requires; under root, if only root may read what
// the guest needs, for no guest is root.
//
// cmd must be started once, and Serve or Close be called after that.
func Wrap(mode Mode, cmd *exec.Cmd, program *os.File, p Policy) (*Cage, Level, error) {
	if mode == Off {
		return nil, nothing("switched off"), nil
	}
	d := detect()
	return d.wrap(mode, cmd, program, p.orDefaults())
}

func (d detected) wrap(mode Mode, cmd *exec.Cmd, program *os.File, p Policy) (*Cage, Level, error) {
	level, uid := d.level, 0
	if d.uids.max > 0 && d.plan.Namespaces {
		if err := readable(cmd, program, p); err != nil {
			return nil, level, err
		}
		uid = d.uids.pick()
	}
	if p.Open {
		level = level.Without("no proxy is set", tcp)
	}
	if p.Open && d.plan.Landlock < 6 { // which would know its own from others
		level = level.Without("no proxy is set, so the network is the host's", abstract)
	}
	if len(p.ReadWrite) > 0 {
		level = level.Without("folders of the host's are its to write", disk)
	}
	if lack := mode.lacks(level); lack != "" {
		return nil, level, fmt.Errorf("the sandbox is required and %s", lack)
	}
	if d.plan == (plan{}) && !d.bare {
		return nil, level, nil
	}
	c, err := d.cage(cmd, program, p, uid)
	return c, level, err
}

// cage takes cmd apart into an order and makes it start the shim instead.
func (d detected) cage(cmd *exec.Cmd, program *os.File, p Policy, uid int) (*Cage, error) {
	if !d.plan.Namespaces {
		p.Processes += crowd()
	}
	ours, theirs, err := pair()
	if err != nil {
		return nil, err
	}
	c := &Cage{control: ours, theirs: theirs, entered: make(chan struct{}), order: order{Policy: p, Plan: d.plan, UID: uid, Args: cmd.Args, Env: cmd.Env, Dir: cmd.Dir}}
	extra := []*os.File{theirs}
	if program == nil {
		c.order.Path = cmd.Path
	} else {
		extra = append(extra, program)
	}
	if d.plan.Namespaces && !p.Open {
		for _, a := range p.Connect {
			if _, err := netip.ParseAddrPort(a); err == nil && !slices.Contains(c.order.Listens, a) {
				c.order.Listens = append(c.order.Listens, a)
			}
		}
	}
	cmd.Path, cmd.Args, cmd.ExtraFiles, cmd.Dir = "/proc/self/exe", []string{shimName}, extra, "/"
	cmd.Env = []string{"GOMAXPROCS=1", "GOTRACEBACK=none"}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if d.plan.Namespaces {
		separate(cmd.SysProcAttr, d.plan.User, p.Open)
	}
	if d.groups != nil {
		if c.group, err = d.groups.make(p); err != nil {
			c.Close()
			return nil, err
		}
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(c.group.file.Fd())
	}
	return c, nil
}

// separate makes a child start in namespaces of its own.
func separate(attr *syscall.SysProcAttr, user, open bool) {
	attr.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if !open {
		attr.Cloneflags |= unix.CLONE_NEWNET
	}
	if !user {
		return
	}
	attr.Cloneflags |= unix.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE}
}

func pair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "sandbox"), os.NewFile(uintptr(fds[1]), "shim"), nil
}

// Serve hands the order to the shim that was started and returns when it has
// become the guest. What the guest may reach is served until Close. The error
// says why it did not become it.
func (c *Cage) Serve() error {
	defer close(c.entered)
	_ = c.theirs.Close() // so that the end of the shim's is an end
	defer func() { _ = c.control.Close() }()
	if err := sendOrder(c.control, c.order); err != nil {
		return err
	}
	for {
		kind, files, err := receive(c.control)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err == nil && kind == sentFolder:
			err = c.keepFolder(files)
		case err == nil:
			err = c.relay(files)
		}
		if err != nil {
			return err
		}
	}
}

// keepFolder keeps what the guest makes its sockets in.
func (c *Cage) keepFolder(files []*os.File) error {
	if len(files) != 1 {
		closeAll(files)
		return errors.New("sandbox: not one folder")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return files[0].Close()
	}
	c.folder = files[0]
	return nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// At is where this process finds the socket that the guest has at path. It waits
// until Serve is over, and holds until Close.
func (c *Cage) At(path string) string {
	<-c.entered
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.folder == nil || filepath.Dir(path) != c.order.Policy.Sockets {
		return path
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", c.folder.Fd(), filepath.Base(path))
}

// relay serves what the guest connects to from here.
func (c *Cage) relay(files []*os.File) error {
	defer closeAll(files)
	if len(files) != len(c.order.Listens) {
		return errors.New("sandbox: not as many listeners as asked for")
	}
	for i, f := range files {
		ln, err := net.FileListener(f)
		if err != nil {
			return err
		}
		r := newRelay(ln, c.order.Listens[i])
		c.mu.Lock()
		if c.closed {
			r.close()
		}
		c.relays = append(c.relays, r)
		c.mu.Unlock()
	}
	return nil
}

// Verdict says why the kernel ended a guest that has ended, nil if it did not or
// does not say. It is asked before Close.
func (c *Cage) Verdict() error {
	if c.group == nil || !c.group.exceeded() {
		return nil
	}
	return fmt.Errorf("with all that it started it wanted more than its %d MiB of memory", c.order.Policy.Total>>20)
}

// Close gives back what the guest had, once it has ended or was never started.
func (c *Cage) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.group != nil && !c.closed {
		c.group.close()
	}
	c.closed = true
	for _, r := range c.relays {
		r.close()
	}
	if c.folder != nil {
		_ = c.folder.Close()
		c.folder = nil
	}
	_, _ = c.theirs.Close(), c.control.Close()
}

// readable fails if no other user may read and run what the guest needs. Parent
// folders do not matter: the guest has its own. Neither do its arguments, which
// whoever wrote it wrote as well.
func readable(cmd *exec.Cmd, program *os.File, p Policy) error {
	type need struct {
		path string
		os.FileInfo
	}
	var needs []need
	if program != nil {
		info, err := program.Stat()
		if err != nil {
			return err
		}
		needs = append(needs, need{program.Name(), info})
	}
	for _, path := range p.ReadOnly {
		if info, err := os.Stat(path); err == nil { // what is not there is not shown
			needs = append(needs, need{path, info})
		}
	}
	if info, err := os.Stat(cmd.Path); program == nil && err == nil {
		needs = append(needs, need{cmd.Path, info})
	}
	for i, n := range needs {
		bits := os.FileMode(0o004)
		if n.IsDir() || i == 0 && program != nil || n.path == cmd.Path {
			bits = 0o005
		}
		if n.Mode().Perm()&bits != bits {
			return fmt.Errorf("only root may use %s, and no plugin runs as root: let others read it, as in chmod -R o+rX", n.path)
		}
	}
	return nil
}
