package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A process is one program of the installation.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // after done
}

// start runs `carillon command` until it is killed or the trial ends. What it
// says goes to a log of that name.
func (t *trial) start(command string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(t.dir, command+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	p := &process{cmd: exec.Command(t.opt.binary, command), done: make(chan struct{})} // it ends by stop, and drains
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = t.env, log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches it through stop
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	t.onClose(p.stop)
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

// kill ends the process as a crash would; its plugins notice.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks the process to drain, and insists after a while.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(25 * time.Second):
		p.kill()
	}
}

// ready polls an address of the process until it answers 200.
func (p *process) ready(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !answers(ctx, address) {
		select {
		case <-p.done:
			return errors.Join(errors.New("the process ended"), p.err)
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer: %w", address, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

func answers(ctx context.Context, address string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return false
	}
	res, err := web.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// web calls servers on this machine.
var web = &http.Client{Timeout: 30 * time.Second}

// logTail is how much of a log is worth showing.
const logTail = 4 << 10

// showLogs prints the end of each log: the folder will be gone.
func (t *trial) showLogs() {
	logs, _ := filepath.Glob(filepath.Join(t.dir, "*.log")) // fails only for a bad pattern
	for _, path := range logs {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "--- %s\n%s\n", filepath.Base(path), b[max(0, len(b)-logTail):])
	}
}
