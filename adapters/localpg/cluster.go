//go:build unix

package localpg

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A cluster is one data folder:
//
//	lock, users   who is starting, who is using the server
//	password      of the superuser, readable by whoever started it first
//	port          where the server listened last
//	data          PostgreSQL's own; appears whole or not at all
//	run           where the keeper listens
//	server.log
type cluster struct {
	opts     Options
	dir      string
	bin      string
	as       *syscall.Credential
	password string
}

func newCluster(o Options) (*cluster, error) {
	if o.Dir == "" || o.Database == "" {
		return nil, errors.New("localpg: Dir and Database are required")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	c := &cluster{opts: o, dir: dir, as: runAs()}
	return c, reachable(dir, c.as)
}

func (c *cluster) path(name string) string { return filepath.Join(c.dir, name) }

// lock makes starters of one folder take turns.
func (c *cluster) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(c.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || ctx.Err() != nil {
			return nil, errors.Join(err, ctx.Err(), f.Close())
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// prepare finds the binaries and makes the data folder unless it is there.
func (c *cluster) prepare(ctx context.Context) error {
	have, err := c.version()
	if err != nil {
		return err
	}
	if c.bin, err = binaries(have, c.opts.BinDirs); err != nil {
		return err
	}
	if err := os.MkdirAll(c.path("run"), 0o700); err != nil {
		return err
	}
	if err := give(c.path("run"), c.as); err != nil {
		return err
	}
	if have == 0 {
		if err := c.initdb(ctx); err != nil {
			return err
		}
	}
	password, err := os.ReadFile(c.path("password"))
	c.password = string(password)
	return err
}

// version is the major version of the data, 0 if there is none yet.
func (c *cluster) version() (int, error) {
	b, err := os.ReadFile(c.path("data/PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(c.path("data")); err == nil {
			return 0, fmt.Errorf("%s is there, but is no PostgreSQL data; move it away", c.path("data"))
		}
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// initdb makes the cluster beside its place and renames it there, so that one
// that was interrupted is never taken for one that is ready.
func (c *cluster) initdb(ctx context.Context) error {
	fresh := c.path("data.new")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	secret := cryptorand.Text()
	handover := c.path("run/initial-password")
	defer func() { _ = os.Remove(handover) }()
	if err := errors.Join(
		os.WriteFile(c.path("password"), []byte(secret), 0o600),
		os.WriteFile(handover, []byte(secret), 0o600),
		give(fresh, c.as), give(handover, c.as),
	); err != nil {
		return err
	}
	args := []string{"-D", fresh, "-U", "postgres", "-A", "scram-sha-256", "--pwfile=" + handover, "-E", "UTF8", "--no-locale"}
	if c.opts.Settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	cmd := command(c.as, c.dir, filepath.Join(c.bin, "initdb"), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", explain(err), out)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.Rename(fresh, c.path("data"))
}

// postmaster reads who serves the data and on which port.
func (c *cluster) postmaster() (pid, port int, ok bool) {
	b, err := os.ReadFile(c.path("data/postmaster.pid"))
	if err != nil {
		return 0, 0, false
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 4 {
		return 0, 0, false
	}
	pid, pidErr := strconv.Atoi(strings.TrimSpace(lines[0]))
	port, portErr := strconv.Atoi(strings.TrimSpace(lines[3]))
	return pid, port, pidErr == nil && portErr == nil && pid > 0 && port > 0 && alive(pid)
}

func (c *cluster) url(port int, database string) string {
	return fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/%s?sslmode=disable", c.password, port, database)
}

// port is the one that the server had last time, so that whoever knows its URL
// finds it again after a crash, or a new one if that is taken.
// Another program may take it before the server does; serve then tries again.
func (c *cluster) port() (int, error) {
	file := c.path("port")
	if b, err := os.ReadFile(file); err == nil {
		if last, err := strconv.Atoi(string(b)); err == nil && last > 0 {
			if port, err := listen(last); err == nil {
				return port, nil
			}
		}
	}
	port, err := unusedPort()
	if err != nil {
		return 0, err
	}
	return port, os.WriteFile(file, []byte(strconv.Itoa(port)), 0o600)
}

// unusedPort is one that systems do not give to clients, if any is free. One
// of those goes to the first client that calls while the server is away: most
// likely a process that wants its database back, which is then connected to
// itself and keeps the server from its place.
func unusedPort() (int, error) {
	for range 100 {
		if port, err := listen(firstPort + rand.N(ports)); err == nil {
			return port, nil
		}
	}
	return listen(0)
}

// Ports below those of clients on Linux, macOS and the BSDs.
const firstPort, ports = 20_000, 12_000

// listen reports whether a port is free; 0 is any.
func listen(port int) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("unexpected address %v", l.Addr())
	}
	return addr.Port, nil
}
