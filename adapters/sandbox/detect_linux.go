package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// detected is what this machine lets this process do.
type detected struct {
	plan plan
	uids uidRange
	// Where to put guests, for their memory in total; nil: it is watched.
	groups *groups
	level  Level
	bare   bool // limits and rights work, if nothing else
}

// Effective is the level that a guest with a proxy has on this machine. It is
// found out once, by running a guest that tries everything, in some 0.1 s.
func Effective() Level { return detect().level }

var detect = sync.OnceValue(func() detected {
	if !ready {
		return detected{level: nothing("this program does not call sandbox.Main")}
	}
	var why []error
	given, _ := findGroups() // without one there is the watch
	for _, p := range plans() {
		d := detected{plan: p, uids: freeUIDs(), bare: true, groups: given}
		level, err := d.attempt()
		if err != nil && given != nil {
			d.groups = nil
			level, err = d.attempt()
		}
		if err == nil {
			d.level = explain(level, d, why)
			return d
		}
		why = append(why, err)
	}
	return detected{level: nothing(errors.Join(why...).Error())}
})

// plans lists what to try, the best first.
func plans() (all []plan) {
	abi := landlockABI()
	for _, namespaces := range []bool{true, false} {
		for _, seccomp := range []bool{auditArch != 0, false} {
			for _, l := range []int{abi, 0} {
				p := plan{Namespaces: namespaces, User: namespaces && os.Geteuid() != 0, Landlock: l, Seccomp: seccomp}
				if len(all) == 0 || all[len(all)-1] != p {
					all = append(all, p)
				}
			}
		}
	}
	return all
}

// explain says by what a level is reached and adds to what is missing why a
// better plan did not work.
func explain(l Level, d detected, why []error) Level {
	p := d.plan
	if p.Namespaces {
		l.By = append(l.By, "namespaces")
	}
	if p.Landlock > 0 {
		l.By = append(l.By, fmt.Sprintf("landlock %d", p.Landlock))
	}
	if p.Seccomp {
		l.By = append(l.By, "seccomp")
	}
	if os.Geteuid() == 0 && p.Namespaces && freeUIDs().max > 0 {
		l.By = append(l.By, "a user of its own")
	}
	if d.groups != nil {
		l.By = append(l.By, "a control group")
	} else {
		l.By = append(l.By, "a look at its memory each second")
	}
	if len(why) > 0 {
		for i, part := range l.Parts {
			if part.Missing != "" {
				l.Parts[i].Missing += "; " + why[0].Error()
			}
		}
	}
	return l
}

// trial is what a probing guest tries to get at.
type trial struct {
	File, Socket, Abstract string
	Allowed                string   // an address that has to answer
	Closed                 []string // and those that must not
	Host                   int      // the host's process
	Own                    string   // its socket folder
	Memory                 uint64
}

// attempt runs a guest under d's plan that tries everything. Its error says
// that there is no such guest, or that it cannot reach what it must.
func (d detected) attempt() (Level, error) {
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		return Level{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	t, doors, err := setUp(dir)
	defer func() {
		for _, l := range doors {
			_ = l.Close()
		}
	}()
	if err != nil {
		return Level{}, err
	}
	said, err := d.ask(dir, t)
	if err != nil {
		return Level{}, err
	}
	if _, err := os.Lstat(filepath.Join(dir, written)); err == nil {
		said[files] = "could write outside its folders"
	}
	level := Level{Parts: parts()}
	for i, p := range level.Parts {
		reason, known := said[p.Name]
		if !known {
			reason = "not tried"
		}
		level.Parts[i].Missing = reason
	}
	return d.lessened(level), nil
}

// lessened is level without what no probe can find missing.
func (d detected) lessened(level Level) Level {
	if d.plan.Namespaces {
		return level
	}
	left := "what it starts goes on if its host is ended suddenly"
	if !d.plan.Seccomp {
		left = "what it starts can leave its group, and goes on then"
	}
	level = level.Without("counted together with all processes of this user", processes).
		Without("its files are on the host's disk", disk).Without(left, ending)
	if os.Geteuid() == 0 {
		level = level.Without("it is root, if without root's rights: another user could not get at its folders", privileges)
	}
	return level
}

// setUp makes what the guest must not get at.
func setUp(dir string) (t trial, doors []net.Listener, err error) {
	t = trial{
		File: filepath.Join(dir, "secret"), Socket: filepath.Join(dir, "socket"),
		Abstract: "@carillon-" + strconv.Itoa(os.Getpid()) + "-" + filepath.Base(dir), Host: os.Getpid(), Memory: 1 << 30,
	}
	if err := os.WriteFile(t.File, []byte("secret"), 0o644); err != nil { //nolint:gosec // readable, were it not for the sandbox
		return t, nil, err
	}
	open := func(network, address string) string {
		ln, lerr := net.Listen(network, address)
		if lerr != nil {
			err = errors.Join(err, lerr)
			return ""
		}
		doors = append(doors, ln)
		go answer(ln)
		return ln.Addr().String()
	}
	open("unix", t.Socket)
	open("unix", t.Abstract)
	t.Allowed = open("tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(t.Allowed)
	t.Closed = []string{open("tcp", "127.0.0.1:0"), open("tcp", "127.0.0.2:"+port)}
	if err == nil {
		err = os.Chmod(t.Socket, 0o777) //nolint:gosec // open, were it not for the sandbox
	}
	if err == nil {
		err = os.Chmod(dir, 0o755) //nolint:gosec // likewise
	}
	return t, doors, err
}

func answer(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("!"))
		_ = c.Close()
	}
}

// ask runs the guest and returns what it could do, by part.
func (d detected) ask(dir string, t trial) (map[string]string, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer func() { _ = self.Close() }()
	scratch, own := filepath.Join(dir, "root"), filepath.Join(dir, "own")
	if err := errors.Join(os.Mkdir(scratch, 0o700), os.Mkdir(own, 0o700)); err != nil {
		return nil, err
	}
	t.Own = own
	b, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	stdin, hold, err := os.Pipe() // a guest whose input has ended has no host
	if err != nil {
		return nil, err
	}
	defer func() { _, _ = stdin.Close(), hold.Close() }()
	var out, complaints bytes.Buffer
	cmd := &exec.Cmd{
		Args: []string{probeName}, Env: []string{"TRIAL=" + string(b), "GOMAXPROCS=1"}, Dir: own, Stdin: stdin, Stdout: &out, Stderr: &complaints,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, WaitDelay: time.Second,
	}
	policy := Policy{Sockets: own, Connect: []string{t.Allowed}, Scratch: scratch, Memory: t.Memory}
	uid := 0
	if d.uids.max > 0 && d.plan.Namespaces {
		uid = d.uids.pick()
	}
	c, err := d.cage(cmd, self, policy.orDefaults(), uid)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return d.hear(c, cmd, hold, &out, &complaints)
}

// hear weighs the guest once it has become one, and listens to what it found.
func (d detected) hear(c *Cage, cmd *exec.Cmd, hold *os.File, out, complaints *bytes.Buffer) (map[string]string, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	served := c.Serve()
	heavy := d.weigh(cmd.Process.Pid)
	_ = hold.Close() // it waits for that
	if err := cmd.Wait(); err != nil || served != nil {
		return nil, errors.Join(served, err, firstLine(complaints))
	}
	var said map[string]string
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		return nil, fmt.Errorf("the probe: %w", err)
	}
	said[total] = heavy
	if wrong := said["wrong"]; wrong != "" {
		return nil, errors.New("the probe: " + wrong)
	}
	return said, nil
}

func firstLine(b *bytes.Buffer) error {
	line, _, _ := bytes.Cut(b.Bytes(), []byte("\n"))
	if len(line) == 0 {
		return nil
	}
	return fmt.Errorf("%.200s", line)
}
