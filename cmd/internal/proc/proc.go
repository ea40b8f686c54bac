// Package proc starts the programs of an installation for the drivers that
// measure it, break it and hold it against real peers.
//
// Each program has a log in the driver's folder and a process group of its own:
// Ctrl-C reaches the driver alone, which then ends what it started, in order.
// Start with Start.
package proc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// drain is how long a program may take to finish what it holds.
const drain = 25 * time.Second

// Process is a program that was started. It is safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // after done
}

// Log opens the log of a program in dir, to be added to. The caller closes it;
// programs that were started with it keep it.
func Log(dir, name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// Apart makes cmd say everything to log, in a process group of its own.
func Apart(cmd *exec.Cmd, log *os.File) *exec.Cmd {
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// Start runs cmd until Stop or Kill. What it says goes to name.log in dir.
func Start(dir, name string, cmd *exec.Cmd) (*Process, error) {
	log, err := Log(dir, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	p := &Process{cmd: Apart(cmd, log), done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.err = cmd.Wait(); close(p.done) }()
	return p, nil
}

// PID is the program's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop asks the program to drain, and insists after a while.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(drain):
		p.Kill()
	}
}

// Kill ends the program as a crash would; its plugins notice.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// patience is how long a program may take to answer for the first time.
const patience = time.Minute

// Ready asks an address of the program each tick until it answers 200. It
// returns an error when the program ends first.
func (p *Process) Ready(ctx context.Context, address string, tick time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	again := time.NewTicker(tick)
	defer again.Stop()
	for !answers(ctx, client, address) {
		select {
		case <-p.done:
			return errors.Join(errors.New("the process ended; see its log"), p.err)
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer: %w", address, ctx.Err())
		case <-again.C:
		}
	}
	return nil
}

func answers(ctx context.Context, client *http.Client, address string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// FreeAddr is an address on this machine that nobody listens on. Its port is
// given to no client: one that called a dead server at such a port would now
// and then be connected to itself.
func FreeAddr(ctx context.Context) (addr string, err error) {
	for range 100 {
		var ln net.Listener
		addr = fmt.Sprint("127.0.0.1:", 10_000+rand.N(10_000))
		if ln, err = new(net.ListenConfig).Listen(ctx, "tcp", addr); err == nil {
			return addr, ln.Close()
		}
	}
	return "", err
}

// tail is how much of a log is worth showing.
const tail = 4 << 10

// Tails is the end of each log in dir, which may be about to go.
func Tails(dir string) string {
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log")) // fails only for a bad pattern
	out := ""
	for _, path := range logs {
		if b, err := os.ReadFile(path); err == nil {
			out += fmt.Sprintf("--- %s\n%s\n", filepath.Base(path), b[max(0, len(b)-tail):])
		}
	}
	return out
}
