//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// keeper starts the server ("$@") and leaves behind a reader on the pipe that
// every user of the server holds open. The read ends when the last of them is
// gone, even by kill -9, and then the server is shut down. Until then each
// line is the name of a file to create: the proof that somebody is listening,
// so that a newcomer cannot mistake a server on its way out for one that stays.
//
// The reader is orphaned on purpose: a child of the postmaster that it does
// not know would look like a crashed backend to it.
const keeper = `
( (
	while read -r heard; do : >"$heard"; done <users.pipe
	read -r pid <../data/postmaster.pid && [ "$pid" = $$ ] && kill -INT $$
) & )
exec "$@"`

// A hold keeps the server running until released or until this process ends.
// It has bare descriptors: an os.File would be closed by the garbage collector
// once nobody looks at it any more.
type hold struct {
	users int // locked shared; who gets it exclusively is alone
	pipe  int
	run   string
	once  sync.Once
	last  bool
}

// join announces this process as a user, before it looks for the server.
func (c *cluster) join() (*hold, error) {
	pipe := c.path("run/users.pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := give(pipe, c.as); err != nil {
		return nil, err
	}
	p, err := syscall.Open(pipe, syscall.O_RDWR|syscall.O_CLOEXEC, 0) // both ways: opening never blocks
	if err != nil {
		return nil, err
	}
	u, err := syscall.Open(c.path("users"), syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, errors.Join(err, syscall.Close(p))
	}
	if err := syscall.Flock(u, syscall.LOCK_SH); err != nil {
		return nil, errors.Join(err, syscall.Close(u), syscall.Close(p))
	}
	return &hold{users: u, pipe: p, run: c.path("run")}, nil
}

// release lets go and reports whether nobody else holds on.
func (h *hold) release() (last bool) {
	h.once.Do(func() {
		h.last = syscall.Flock(h.users, syscall.LOCK_EX|syscall.LOCK_NB) == nil
		_ = syscall.Close(h.pipe)
		_ = syscall.Close(h.users)
	})
	return h.last
}

// kept reports whether a keeper has noticed us.
func (h *hold) kept(ctx context.Context) bool {
	name := "heard-" + strconv.Itoa(os.Getpid())
	file := filepath.Join(h.run, name)
	defer func() { _ = os.Remove(file) }()
	if _, err := syscall.Write(h.pipe, []byte(name+"\n")); err != nil {
		return false
	}
	for range 100 {
		if isFile(file) {
			return true
		}
		pause(ctx, 10*time.Millisecond)
	}
	return false
}

type process struct {
	pid, port int
	reused    bool
}

// serve joins the running server or starts one. It is patient with a
// predecessor that is shutting down or was killed: its lock file and shared
// memory take a moment to go.
func (c *cluster) serve(ctx context.Context, h *hold) (process, error) {
	for deadline := time.Now().Add(patience); ; pause(ctx, 100*time.Millisecond) {
		if pid, port, ok := c.postmaster(); ok && c.answers(ctx, port) {
			if h.kept(ctx) || time.Now().After(deadline) {
				return process{pid, port, true}, nil
			}
			continue
		}
		p, err := c.launch(ctx)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return p, err
		}
	}
}

// answers reports whether our server listens at port. A wrong password means
// that somebody else's does.
func (c *cluster) answers(ctx context.Context, port int) bool {
	return ping(ctx, c.url(port, "postgres")) == nil
}

func (c *cluster) launch(ctx context.Context) (process, error) {
	port, err := c.port()
	if err != nil {
		return process{}, err
	}
	logFile, err := os.OpenFile(c.path("server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return process{}, err
	}
	defer func() { _ = logFile.Close() }()
	if st, err := logFile.Stat(); err == nil && st.Size() > 16<<20 {
		_ = logFile.Truncate(0)
	}
	cmd := command(c.as, c.path("run"), "/bin/sh", append([]string{"-c", keeper, "keeper"}, c.server(port)...)...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return process{}, explain(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	if err := c.await(ctx, port, exited); err != nil {
		return process{}, fmt.Errorf("%w; see %s", err, logFile.Name())
	}
	return process{pid: cmd.Process.Pid, port: port}, nil
}

// server is the command line. Sockets are off: their path may be too long and
// their folder not ours.
func (c *cluster) server(port int) []string {
	args := []string{
		filepath.Join(c.bin, "postgres"), "-D", c.path("data"), "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "logging_collector=off",
	}
	for name, value := range c.opts.Settings {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

// await returns when the server answers, which after a crash includes recovery.
func (c *cluster) await(ctx context.Context, port int, exited <-chan error) error {
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		err := ping(ctx, c.url(port, "postgres"))
		if err == nil {
			return nil
		}
		if pg := new(pgconn.PgError); errors.As(err, &pg) && pg.Code == "28P01" {
			return fmt.Errorf("the password in %s is not the server's: %w", c.path("password"), err)
		}
		select {
		case err := <-exited:
			return fmt.Errorf("postgres ended at once: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return errors.New("postgres did not answer within a minute")
}
