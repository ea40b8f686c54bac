package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is one program of the installation.
type process struct {
	*exec.Cmd
	done chan struct{}
	err  error
}

// start runs `carillon args` until stop or close.
func (h *house) start(name string, env []string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(h.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	p := &process{Cmd: exec.Command(h.opt.binary, args...), done: make(chan struct{})}
	p.Env, p.Stdout, p.Stderr = append(h.env(), env...), log, log
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Start(); err != nil {
		return nil, err
	}
	go func() { p.err = p.Wait(); close(p.done) }()
	h.onClose(p.stop)
	return p, nil
}

// stop asks the process to drain, and insists after a while.
func (p *process) stop() {
	_ = p.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(25 * time.Second):
		p.kill()
	}
}

// kill ends the process as a crash would; its plugins notice.
func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.done
}

// serve starts the API server, once, and returns when it is ready.
func (h *house) serve(ctx context.Context) error {
	if h.api != nil {
		return nil
	}
	var err error
	h.api, h.apiAddr, err = h.newServer(ctx, "serve")
	return err
}

func (h *house) newServer(ctx context.Context, name string) (*process, string, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, "", err
	}
	p, err := h.start(name, []string{"CARILLON_ADDR=" + addr}, "serve")
	if err != nil {
		return nil, "", err
	}
	return p, addr, p.ready(ctx, "http://"+addr+"/livez") // /readyz also waits for a worker
}

// ready polls an address until it answers 200.
func (p *process) ready(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			return err
		}
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended: %w", errors.Join(p.err, errors.New("see its log")))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func freeAddr(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// rss is a process's resident memory in MB, and that of its children by name.
func rss(pid int) (own float64, children map[string]float64, err error) {
	if own, err = resident(pid); err != nil {
		return 0, nil, err
	}
	children = map[string]float64{}
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, nil, err
	}
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		// pid (name) state ppid
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) < 2 || f[1] != strconv.Itoa(pid) {
			continue
		}
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		words := strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")
		if children[words[len(words)-1]], err = resident(child); err != nil {
			return 0, nil, err
		}
	}
	return own, children, nil
}

func resident(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kb, err := strconv.ParseFloat(f[1], 64)
			return kb / 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}
