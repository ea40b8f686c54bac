//go:build unix

// Package localpg runs a private PostgreSQL server for people who have not set
// one up: `carillon dev` and the tests.
//
// It decides where the data lies, which installed binaries serve it, which
// user they run as and when the server stops: when the last process that uses
// it is gone, however it went. A data directory is never initialised twice; one
// of another major version is refused, because the alternative is losing it.
//
// Start with Start; cluster.go makes the data directory, keeper.go keeps the
// server alive exactly as long as somebody needs it.
package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options say which server to run.
type Options struct {
	// Dir holds the cluster, its password and its log. Required; see DefaultDir.
	Dir string
	// Database is created if it does not exist. Required.
	Database string
	// BinDirs are looked at after the well-known places, such as a folder of
	// binaries unpacked by npm.
	BinDirs []string
	// Settings are server settings such as "max_connections": "200". With
	// "fsync": "off" a power cut loses the cluster: for tests.
	Settings map[string]string
}

// A Server is a running PostgreSQL that this process holds on to.
type Server struct {
	URL    string // superuser, loopback, with password
	Dir    string
	BinDir string
	PID    int  // of the postmaster
	Reused bool // it was running already
	hold   *hold
}

// patience is how long a server that is on its way out, or that was killed and
// left its lock file, may take to make room for the next.
const patience = 5 * time.Second

// DefaultDir is where a person's cluster lives: $XDG_DATA_HOME/carillon, and
// for root /var/lib/carillon, since PostgreSQL refuses to run as root and the
// user it runs as cannot enter root's home.
func DefaultDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/carillon", nil
	}
	if d := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "carillon"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home folder to keep the database in; set XDG_DATA_HOME or DATABASE_URL: %w", err)
	}
	return filepath.Join(home, ".local", "share", "carillon"), nil
}

// Start returns the server of o.Dir, starting it and making its cluster as
// needed. Processes that start the same folder share one server. The error
// says what to do when there are no binaries, the data is of another version
// or the user cannot be changed.
func Start(ctx context.Context, o Options) (*Server, error) {
	c, err := newCluster(o)
	if err != nil {
		return nil, err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	h, err := c.join()
	if err != nil {
		return nil, err
	}
	s, err := c.serve(ctx, h)
	if err != nil {
		h.release()
		return nil, err
	}
	if err := createDatabase(ctx, c.url(s.port, "postgres"), o.Database); err != nil {
		h.release()
		return nil, err
	}
	return &Server{
		URL: c.url(s.port, o.Database), Dir: c.dir, BinDir: c.bin,
		PID: s.pid, Reused: s.reused, hold: h,
	}, nil
}

// Stop lets go of the server. If nobody else holds it, Stop returns when it is
// down, with every committed transaction on disk.
func (s *Server) Stop() error {
	last := s.hold.release()
	if !last {
		return nil
	}
	deadline := time.Now().Add(2 * patience)
	for gone := false; !gone; gone = !alive(s.PID) {
		if time.Now().After(deadline) {
			return fmt.Errorf("postgres (pid %d) did not stop within %s; see %s", s.PID, 2*patience, filepath.Join(s.Dir, "server.log"))
		}
		// The keeper does this as well; after a keeper was killed, only we do.
		_ = syscall.Kill(s.PID, syscall.SIGINT)
		pause(context.Background(), 20*time.Millisecond)
	}
	return nil
}

func createDatabase(ctx context.Context, url, name string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var exists bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&exists); err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize())
	return err
}

func ping(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// pause waits d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
