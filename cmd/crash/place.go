package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/localpg"
)

// place is what all runs share: the program, a database server and a folder.
type place struct {
	dir    string
	given  bool   // the folder is somebody's own, and stays
	tmp    string // short, for unix sockets
	binary string
	key    string // CARILLON_MASTER_KEY
	url    string // of the database server, as its owner

	mu      sync.Mutex
	private *localpg.Server // nil if the database was given
}

func openPlace(ctx context.Context, o options) (p *place, err error) {
	p = &place{given: o.Dir != "", binary: o.Binary, url: o.DatabaseURL, key: masterKey()}
	if p.dir, err = folder(o.Dir); err != nil {
		return nil, err
	}
	if p.tmp, err = os.MkdirTemp("", "cr"); err != nil {
		return nil, err
	}
	if p.binary == "" {
		if p.binary, err = build(ctx, p.dir); err != nil {
			return nil, err
		}
	}
	if p.url == "" {
		if p.private, err = localpg.Start(ctx, p.cluster()); err != nil {
			return nil, err
		}
		p.url = p.private.URL
	}
	return p, nil
}

// folder lies where a database server that runs as somebody else can reach it.
func folder(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(dir)
	}
	parent, err := localpg.DefaultDir()
	if err != nil {
		return "", err
	}
	parent = filepath.Join(parent, "crash")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(parent, ""); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

func masterKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails, see crypto/rand
	return base64.StdEncoding.EncodeToString(key)
}

// build makes the program that can die at named points.
func build(ctx context.Context, dir string) (string, error) {
	to := filepath.Join(dir, "carillon")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "faultpoints", "-o", to, "github.com/carillonhq/carillon/cmd/carillon")
	cmd.Stderr = os.Stderr
	return to, cmd.Run()
}

func (p *place) cluster() localpg.Options {
	return localpg.Options{
		Dir: filepath.Join(p.dir, "postgres"), Database: "postgres",
		// Processes die here and not the machine, so no write needs a disk.
		Settings: map[string]string{"fsync": "off", "max_connections": "200"},
	}
}

// database makes an empty one for a run and returns its owner's URL.
func (p *place) database(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, p.url)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	name = fmt.Sprintf("crash_%s_%d", name, time.Now().UnixMilli())
	if _, err := conn.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", err
	}
	base, _, _ := strings.Cut(p.url, "?")
	return base[:strings.LastIndexByte(base, '/')+1] + name + "?sslmode=disable", nil
}

// restartDatabase shuts the server down at once, as a crash of it would, and
// starts it again: it has to recover.
func (p *place) restartDatabase(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.private == nil {
		return fmt.Errorf("the database was given, and is left alone")
	}
	if err := syscall.Kill(p.private.PID, syscall.SIGQUIT); err != nil {
		return err
	}
	for range 100 { // until then it holds on to its port
		if errors.Is(syscall.Kill(p.private.PID, 0), syscall.ESRCH) {
			break
		}
		pause(ctx, 50*time.Millisecond)
	}
	next, err := localpg.Start(ctx, p.cluster())
	if err != nil {
		return fmt.Errorf("restart the database: %w", err)
	}
	before := p.private
	p.private = next
	_ = before.Stop() // lets go of a hold; the server stays, for next holds it
	if next.URL != p.url {
		return fmt.Errorf("the database moved from %s to %s", p.url, next.URL)
	}
	return nil
}

// close stops the database and, after a good run, removes what was made.
func (p *place) close(good bool) {
	if p.private != nil {
		_ = p.private.Stop()
	}
	_ = os.RemoveAll(p.tmp)
	if good && !p.given {
		_ = os.RemoveAll(p.dir)
		return
	}
	fmt.Fprintln(os.Stderr, "crash: the logs are kept in", p.dir)
}
