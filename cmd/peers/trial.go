package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/carillonhq/carillon/adapters/localpg"
	"github.com/carillonhq/carillon/cmd/internal/proc"
)

// trial is everything that runs, and what was found out so far.
type trial struct {
	opt     options
	began   time.Time
	dir     string // removed at the end
	closers []func()

	front   *front
	peer    *peer
	account account
	person  person // who can sign in at the installation

	env    []string // what each process of the installation is told
	api    string
	worker *proc.Process
	author *author

	verdict verdict
}

func (t *trial) onClose(fn func()) { t.closers = append(t.closers, fn) }

// close gives everything back, last opened first.
func (t *trial) close() {
	for i := len(t.closers) - 1; i >= 0; i-- {
		t.closers[i]()
	}
	t.closers = nil
}

// openPeer starts the reference server behind the front, with one account.
func (t *trial) openPeer(ctx context.Context) (err error) {
	if err := t.openDir(); err != nil {
		return err
	}
	if t.front, err = listenFront(ctx); err != nil {
		return err
	}
	t.onClose(t.front.close)
	if t.peer, err = startPeer(ctx, t.opt.servers, filepath.Join(t.dir, "pds"), t.front.origin); err != nil {
		return err
	}
	t.onClose(t.peer.close)
	t.front.pass(t.peer.URL)
	t.verdict.Server = fmt.Sprintf("%s %s, Node.js %s", t.peer.Server, t.peer.Version, t.peer.Node)
	t.account, err = t.peer.newAccount(ctx)
	return err
}

// openDir makes a folder that a database server under another user can enter.
func (t *trial) openDir() error {
	parent := os.Getenv("CARILLON_STATE_DIR")
	if parent == "" {
		var err error
		if parent, err = localpg.DefaultDir(); err != nil {
			return err
		}
	}
	parent, err := filepath.Abs(filepath.Join(parent, "peers"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if t.dir, err = os.MkdirTemp(parent, ""); err != nil {
		return err
	}
	t.onClose(func() { _ = os.RemoveAll(t.dir) })
	return os.Chmod(t.dir, 0o755) // the database's user must reach its folder inside
}

// contract runs the plugin's contract tests against the server.
func (t *trial) contract(ctx context.Context) error {
	began := time.Now()
	cmd := exec.CommandContext(ctx, "go", "test", "-tags", "peers", "-count=1", "-run", "AtAPeer", "./plugins/bluesky")
	cmd.Env = append(os.Environ(), "BLUESKY_PDS="+t.peer.URL)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	t.verdict.Contract = true
	t.say("the contract holds (%s)", time.Since(began).Round(time.Second))
	return nil
}

// openInstallation starts a database, an API server and a worker as anybody
// would, each in a process of its own.
func (t *trial) openInstallation(ctx context.Context) error {
	db, err := localpg.Start(ctx, localpg.Options{Dir: filepath.Join(t.dir, "postgres"), Database: "carillon"})
	if err != nil {
		return err
	}
	t.onClose(func() { _ = db.Stop() })
	addr, err := proc.FreeAddr(ctx)
	if err != nil {
		return err
	}
	t.api = "http://" + addr
	t.env = append(os.Environ(), "DATABASE_URL="+db.URL, "CARILLON_MASTER_KEY="+masterKey(), "CARILLON_ADDR="+addr, "CARILLON_URL="+t.api,
		"CARILLON_STATE_DIR="+t.dir, "CARILLON_MAILBOX="+filepath.Join(t.dir, "mail"), "CARILLON_ALLOW_LOOPBACK=1",
		"CARILLON_BLUESKY_APPVIEW="+t.front.origin, "CARILLON_LOG_LEVEL=info")
	if _, err := t.once(ctx, "migrate"); err != nil {
		return err
	}
	who, err := t.once(ctx, "seed")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(who, &t.person); err != nil {
		return fmt.Errorf("seed printed %q: %w", who, err)
	}
	server, err := t.start("serve")
	if err != nil {
		return err
	}
	if t.worker, err = t.start("work"); err != nil {
		return err
	}
	return server.Ready(ctx, t.api+"/readyz", 50*time.Millisecond) // which says that somebody publishes, too
}

// revive kills the worker as a crash would, and starts the next.
func (t *trial) revive() (err error) {
	t.worker.Kill()
	t.worker, err = t.start("work")
	return err
}

func masterKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails, see crypto/rand
	return base64.StdEncoding.EncodeToString(key)
}
