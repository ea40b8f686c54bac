package main

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/carillonhq/carillon/cmd/internal/ground"
	"github.com/carillonhq/carillon/cmd/internal/proc"
)

// rig is an installation: what it stands on, and the server as it is deployed,
// with limits that nobody meets.
type rig struct {
	*ground.Ground
	api    string
	server *proc.Process
	http   *http.Client
	kernel *kernel
}

func openRig(ctx context.Context, o options) (r *rig, err error) {
	r = &rig{http: &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 2 * o.Width, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	// Nothing dies here, so no write needs a disk.
	r.Ground, err = ground.Open(ctx, "mutate", map[string]string{"fsync": "off", "max_connections": "200", "shared_buffers": "256MB"})
	if err != nil {
		return nil, err
	}
	if err := r.serve(ctx, o.Binary); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// serve starts the server and the part of an installation that makes people.
func (r *rig) serve(ctx context.Context, binary string) error {
	addr, err := proc.FreeAddr(ctx)
	if err != nil {
		return err
	}
	r.api = "http://" + addr
	if r.kernel, err = openKernel(ctx, r); err != nil {
		return err
	}
	r.OnClose(r.kernel.db.Close)
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	cmd := exec.Command(binary, "serve")
	cmd.Env = r.Env("CARILLON_ADDR="+addr, "CARILLON_URL="+r.api, "CARILLON_LIMITS_TIMES=1000000")
	if r.server, err = proc.Start(r.Dir, "serve", cmd); err != nil {
		return fmt.Errorf("%w; build it first, or run: make mutate", err)
	}
	r.OnClose(r.server.Stop)
	return r.server.Ready(ctx, r.api+"/livez", 20*time.Millisecond)
}
