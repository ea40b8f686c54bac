package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/carillonhq/carillon/cmd/internal/proc"
)

// start runs `carillon command` until it is killed or the trial ends. What it
// says goes to a log of that name.
func (t *trial) start(command string) (*proc.Process, error) {
	cmd := exec.Command(t.opt.binary, command)
	cmd.Env = t.env
	p, err := proc.Start(t.dir, command, cmd)
	if err != nil {
		return nil, err
	}
	t.onClose(p.Stop)
	return p, nil
}

// once runs `carillon command` to its end and returns what it printed.
func (t *trial) once(ctx context.Context, command string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, t.opt.binary, command)
	var said bytes.Buffer
	cmd.Env, cmd.Stderr = t.env, &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("carillon %s: %w\n%s", command, err, said.Bytes())
	}
	return out, nil
}

// web calls servers on this machine.
var web = &http.Client{Timeout: 30 * time.Second}

// showLogs prints the end of each log: the folder will be gone.
func (t *trial) showLogs() { fmt.Fprint(os.Stderr, proc.Tails(t.dir)) }
