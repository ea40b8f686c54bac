package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/carillonhq/carillon/adapters/sandbox"
)

// errStopped is the cause of an end that the host asked for.
var errStopped = errors.New("stopped by the host")

// errGreedy is the cause of an end that a plugin's memory brought about.
var errGreedy = errors.New("too much memory")

// maxHandshake is the longest first line a plugin may print, in bytes. One
// with a certificate has about 1,100.
const maxHandshake = 8 << 10

// run is go-plugin's runner.Runner: one child process in a process group of
// its own. Unlike the stock one it never waits for the child's pipes, so a
// grandchild that holds them cannot hold the host, and nothing but a checked
// handshake line reaches go-plugin.
type run struct {
	cmd    *exec.Cmd
	file   *os.File // the program, open since it was hashed
	fork   *forker
	out    *logWriter
	relays [2]*relay // of what go-plugin hands on
	dir    string

	mode   sandbox.Mode
	policy sandbox.Policy
	name   string
	byPath bool          // the program is executed by its path
	cage   *sandbox.Cage // nil: it is not confined
	level  sandbox.Level

	line     *io.PipeReader // yields the handshake line, then ends
	handed   *io.PipeWriter
	lifeline *os.File // write end of the child's stdin
	done     chan struct{}

	mu     sync.Mutex
	reason error // why it was ended, the first one
	err    error // what Wait said
}

// prepare takes what go-plugin adds to the environment, and the directory that
// the socket has to be in.
func (r *run) prepare(env []string, dir string) error {
	r.cmd.Env, r.dir = append(r.cmd.Env, env...), dir
	r.cmd.Env = append(r.cmd.Env, "TMPDIR="+dir)
	if r.cmd.Dir == "" {
		r.cmd.Dir = dir
	}
	return r.confine()
}

// Start forks the child.
func (r *run) Start(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason != nil {
		r.never()
		return r.reason
	}
	var theirs [3]*os.File
	var ours [3]*os.File
	defer closeAll(theirs[:])
	for i := range theirs {
		read, write, err := os.Pipe()
		if err != nil {
			closeAll(ours[:])
			r.never()
			return err
		}
		ours[i], theirs[i] = read, write
		if i == 0 {
			ours[i], theirs[i] = write, read
		}
	}
	// Being *os.File, these need no copying goroutine that Wait would wait for.
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = theirs[0], theirs[1], theirs[2]
	if err := r.fork.do(r.cmd.Start); err != nil {
		closeAll(ours[:])
		r.never()
		return err
	}
	r.lifeline = ours[0]
	if r.cage == nil {
		limitProcess(r.cmd.Process.Pid)
	} else {
		go r.enter()
		go r.cage.Keep(r.cmd.Process.Pid, r.done, func(err error) { r.killFor(fmt.Errorf("%w: %w", errGreedy, err)) })
	}
	go r.reap(ours[1:])
	go r.handshake(ours[1])
	go r.out.drain(bufio.NewReaderSize(ours[2], maxLine))
	return nil
}

// never ends a child that was not started. Called with the lock held.
func (r *run) never() {
	if r.cage != nil {
		r.cage.Close()
	}
	close(r.done)
}

// enter sees the child into its cage. One that does not get there is ended.
func (r *run) enter() {
	if err := r.cage.Serve(); err != nil {
		r.killFor(err)
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// reap waits for the child, kills what it left behind, and lets the pipes be
// read out, but not for long: a grandchild outside the group may hold them.
func (r *run) reap(pipes []*os.File) {
	awaitExit(r.cmd.Process.Pid)
	killGroup(r.cmd.Process.Pid)
	err := r.cmd.Wait()
	r.mu.Lock()
	r.err = err
	if r.cage != nil {
		if verdict := r.cage.Verdict(); verdict != nil && r.reason == nil {
			r.reason = fmt.Errorf("%w: %w", errGreedy, verdict)
		}
		r.cage.Close()
	}
	r.mu.Unlock()
	_ = r.lifeline.Close()
	_ = r.handed.CloseWithError(io.EOF)
	close(r.done)
	time.AfterFunc(time.Second, func() { closeAll(pipes) })
}

// handshake passes one checked line on and drains the rest.
func (r *run) handshake(stdout io.Reader) {
	in := bufio.NewReaderSize(stdout, maxHandshake)
	line, tooLong, err := in.ReadLine()
	if err == nil {
		err = checkHandshake(string(line), tooLong, r.dir)
	}
	if err == nil {
		err = checkSocket(r.at(socketOf(string(line))))
	}
	if err != nil {
		r.killFor(fmt.Errorf("handshake refused: %w", err))
		_ = r.handed.CloseWithError(err)
	} else {
		// The write blocks until go-plugin reads it; its start timeout, and the
		// end of the child, both close the pipe.
		_, _ = fmt.Fprintf(r.handed, "%s\n", line)
		_ = r.handed.Close()
	}
	r.out.drain(in)
}

// Kill implements runner.Runner. go-plugin does not say why it calls it; its
// error does.
func (r *run) Kill(context.Context) error { r.killFor(nil); return nil }

// killFor ends the child and all of its group now. The first reason stays.
func (r *run) killFor(reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason == nil {
		r.reason = reason
	}
	if r.cmd.Process == nil {
		return
	}
	select {
	case <-r.done: // reaped: the number may be another's by now
	default:
		killGroup(r.cmd.Process.Pid)
	}
}

// terminate asks the child to finish and leave.
func (r *run) terminate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason == nil {
		r.reason = errStopped
	}
	_ = r.cmd.Process.Signal(terminateSignal)
}

// cause says why the child ended, in words that the plugin may have chosen and
// that have no secret in them.
func (r *run) cause() error { return r.out.secrets.clean(r.why()) }

func (r *run) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.reason != nil && r.err != nil:
		return fmt.Errorf("%w (%w)", r.reason, r.err)
	case r.reason != nil:
		return r.reason
	case r.err != nil:
		return r.err
	default:
		return errors.New("the plugin left")
	}
}

func (r *run) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd.Process == nil {
		return 0
	}
	return r.cmd.Process.Pid
}

// Stdout implements runner.Runner.
func (r *run) Stdout() io.ReadCloser { return r.line }

// Stderr implements runner.Runner. Standard error is read here, not there.
func (r *run) Stderr() io.ReadCloser { return io.NopCloser(eof{}) }

// Wait implements runner.Runner.
func (r *run) Wait(context.Context) error { <-r.done; return r.cause() }

// ID implements runner.Runner.
func (r *run) ID() string { return strconv.Itoa(r.pid()) }

// Name implements runner.Runner.
func (r *run) Name() string { return r.name }

// Diagnose implements runner.Runner.
func (r *run) Diagnose(context.Context) string { return r.cause().Error() }

// PluginToHost implements runner.Runner. The line it comes from was checked.
func (r *run) PluginToHost(network, address string) (string, string, error) {
	return network, r.at(address), nil
}

// at is this process's way to the plugin's socket at path.
func (r *run) at(path string) string {
	if r.cage == nil {
		return path
	}
	return r.cage.At(path)
}

// HostToPlugin implements runner.Runner.
func (r *run) HostToPlugin(string, string) (string, string, error) {
	return "", "", errors.New("the host offers no address to plugins")
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
