package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/cmd/internal/proc"
)

// rig is an installation and the network it publishes to.
type rig struct {
	place    *place
	dir      string
	database string // the owner's URL
	app      string // the serving logins'
	system   string
	api      string
	network  string
	env      []string

	post    *exec.Cmd // the network: it never dies
	server  *life
	workers []*life
}

func openRig(ctx context.Context, p *place, e experiment) (r *rig, err error) {
	r = &rig{place: p, dir: filepath.Join(p.dir, e.Name)}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, err
	}
	if r.database, err = p.database(ctx, e.Name); err != nil {
		return nil, err
	}
	if err := r.startNetwork(e); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	addr, err := proc.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	r.api = "http://" + addr
	r.env = r.environment(addr, e)
	if out, err := r.command("migrate").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("migrate: %w\n%s", err, out)
	}
	if err := r.logins(ctx); err != nil {
		return nil, fmt.Errorf("logins: %w", err)
	}
	r.env = append(r.env, "DATABASE_APP_URL="+r.app, "DATABASE_SYSTEM_URL="+r.system)
	if r.server, err = r.live("server", "serve"); err != nil {
		return nil, err
	}
	for _, name := range []string{"worker-1", "worker-2"} {
		w, err := r.live(name, "work")
		if err != nil {
			return nil, err
		}
		r.workers = append(r.workers, w)
	}
	return r, r.await(ctx)
}

// environment is all that the installation's processes see of ours.
func (r *rig) environment(addr string, e experiment) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + r.place.tmp, "HOME=" + r.dir,
		"DATABASE_URL=" + r.database, "CARILLON_MASTER_KEY=" + r.place.key,
		"CARILLON_ADDR=" + addr, "CARILLON_URL=" + r.api, "CARILLON_STATE_DIR=" + r.dir,
		"CARILLON_MAILBOX=" + filepath.Join(r.dir, "mail"), "CARILLON_LOG_LEVEL=warn", "CARILLON_ALLOW_LOOPBACK=1",
		"CARILLON_PIGEON_URL=" + r.network, "CARILLON_PIGEON_SETTLE=" + settle.String(), "CARILLON_SLOTS=16",
		"CARILLON_TIMING=" + timingEnv(),
	}
	if e.NativeKey {
		env = append(env, "CARILLON_PIGEON_NATIVE_KEY=1")
	}
	if !e.Protocol {
		env = append(env, "CARILLON_PROTOCOL=off")
	}
	return env
}

// logins gives the two serving roles passwords that this process knows too.
func (r *rig) logins(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, r.database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	o := postgres.MigrateOptions{AppPassword: rand.Text(), SystemPassword: rand.Text()}
	for role, password := range map[string]string{"carillon_app": o.AppPassword, "carillon_system": o.SystemPassword} {
		if _, err := conn.Exec(ctx, fmt.Sprintf("alter role %s password '%s'", role, password)); err != nil {
			return err
		}
	}
	r.app, r.system, err = postgres.RoleURLs(r.database, o)
	return err
}

func (r *rig) command(args ...string) *exec.Cmd {
	cmd := exec.Command(r.place.binary, args...)
	cmd.Env = r.env
	cmd.Dir = r.dir
	return cmd
}

// startNetwork starts the practice network, which says where it listens.
func (r *rig) startNetwork(e experiment) error {
	args := append([]string{"network", "--addr=127.0.0.1:0", "--dir=" + filepath.Join(r.dir, "network")}, e.chances()...)
	r.post = exec.Command(r.place.binary, args...)
	r.post.Stderr = os.Stderr
	out, err := r.post.StdoutPipe()
	if err != nil {
		return err
	}
	if err := r.post.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	r.network = strings.TrimSpace(line)
	return err
}

// await returns when the server answers.
func (r *rig) await(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.api+"/readyz", http.NoBody)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; pause(ctx, 100*time.Millisecond) {
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return errors.Join(fmt.Errorf("the server is not ready; see %s", r.dir), ctx.Err())
}

// close ends what was started.
func (r *rig) close() {
	for _, l := range append([]*life{r.server}, r.workers...) {
		if l != nil {
			l.end()
		}
	}
	if r.post != nil && r.post.Process != nil {
		_ = r.post.Process.Signal(syscall.SIGTERM)
		_ = r.post.Wait()
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
