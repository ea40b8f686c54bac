package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/cmd/internal/proc"
)

// start runs `carillon args` until it is stopped or the house closes.
func (h *house) start(name string, env []string, args ...string) (*proc.Process, error) {
	cmd := exec.Command(h.opt.binary, args...)
	cmd.Env = append(h.env(), env...)
	p, err := proc.Start(h.Dir, name, cmd)
	if err != nil {
		return nil, err
	}
	h.OnClose(p.Stop)
	return p, nil
}

// tick is how often a program that was started is asked whether it is ready.
const tick = 5 * time.Millisecond

// serve starts the API server, once, and returns when it is ready.
func (h *house) serve(ctx context.Context) error {
	if h.api != nil {
		return nil
	}
	var err error
	h.api, h.apiAddr, err = h.newServer(ctx, "serve")
	return err
}

func (h *house) newServer(ctx context.Context, name string) (*proc.Process, string, error) {
	addr, err := proc.FreeAddr(ctx)
	if err != nil {
		return nil, "", err
	}
	p, err := h.start(name, []string{"CARILLON_ADDR=" + addr}, "serve")
	if err != nil {
		return nil, "", err
	}
	return p, addr, p.Ready(ctx, "http://"+addr+"/livez", tick) // /readyz also waits for a worker
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
