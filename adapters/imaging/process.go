package imaging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
)

// run feeds in to a child and copies what it says to out. The child is alone
// in its process group, which is killed when ctx ends or time is up.
func (p *Processor) run(ctx context.Context, in *os.File, out io.Writer) (int64, error) {
	// The parent-death signal follows the thread that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	timed, cancel := context.WithTimeout(ctx, p.limits.Timeout)
	defer cancel()
	c, err := p.start(timed)
	if err != nil {
		return 0, fault.New(fault.Unavailable, "media.no_worker", "Pictures cannot be processed right now. Please try again.").Because(err)
	}
	go c.feed(io.NewSectionReader(in, 0, media.MaxBytes))
	size, copyErr := io.Copy(out, io.LimitReader(c.stdout, media.MaxStored+1))
	if size > media.MaxStored || copyErr != nil {
		cancel()
	}
	waitErr := c.cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case copyErr != nil:
		return 0, errScratch(copyErr)
	case size > media.MaxStored:
		return 0, errTooComplex(errors.New("the copy is too large"))
	}
	return size, c.verdict(waitErr)
}

// child is a running decoder.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader
	stderr tail
}

// start runs the command and limits it before it is given a byte to read.
func (p *Processor) start(ctx context.Context) (*child, error) {
	c := &child{cmd: exec.CommandContext(ctx, p.command[0], p.command[1:]...)} //nolint:gosec // the command is ours, the picture goes to its stdin
	c.cmd.Dir = "/"
	c.cmd.Env = []string{"GOMAXPROCS=1", "GOTRACEBACK=none", "GOMEMLIMIT=" + strconv.FormatInt(p.limits.Memory*3/4, 10)}
	c.cmd.SysProcAttr = attributes()
	c.cmd.Cancel = func() error { return syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) }
	c.cmd.WaitDelay = time.Second
	c.cmd.Stderr = &c.stderr
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.stdout, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := confine(c.cmd.Process.Pid, p.limits); err != nil {
		return nil, errors.Join(err, c.cmd.Cancel(), c.cmd.Wait())
	}
	return c, nil
}

// feed ends when the child stops reading; what it thinks of that, its exit says.
func (c *child) feed(r io.Reader) {
	_, _ = io.Copy(c.stdin, r)
	_ = c.stdin.Close()
}

// verdict turns an exit into a fault. A child that died says nothing about the
// server: something in the picture made it die.
func (c *child) verdict(err error) error {
	if err == nil {
		return nil
	}
	cause := fmt.Errorf("media worker: %w: %s", err, c.stderr.text)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return errTooComplex(cause)
	}
	switch exit.ExitCode() {
	case exitUnreadable:
		return errUnreadable(cause)
	case exitAnimated:
		return fault.New(fault.Invalid, "media.animated", "Animated WebP pictures are not supported. Upload a GIF instead.").On("/file")
	case exitFrames:
		return fault.New(fault.Invalid, "media.too_many_frames", "This animation is too long: at most %d frames.", maxFrames).On("/file")
	}
	return errTooComplex(cause)
}

// tail keeps the first of what a child complains about, for the log.
type tail struct{ text []byte }

func (t *tail) Write(b []byte) (int, error) {
	room := max(0, 2048-len(t.text))
	t.text = append(t.text, b[:min(room, len(b))]...)
	return len(b), nil
}
