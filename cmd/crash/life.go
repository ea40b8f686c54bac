package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carillonhq/carillon/cmd/internal/proc"
)

// life is one process that is started again whenever it ends.
type life struct {
	name string
	make func(env ...string) *exec.Cmd

	mu     sync.Mutex
	cmd    *exec.Cmd
	born   time.Time
	fate   string          // CARILLON_CRASH_AT of this life
	next   func() []string // the environment of the next one
	hit    bool            // by us: its end is no news
	died   func(fate string, code int, byItself bool)
	ending bool
	over   chan struct{}
}

// live starts a process and keeps it alive.
func (r *rig) live(name string, args ...string) (*life, error) {
	log, err := proc.Log(r.dir, name)
	if err != nil {
		return nil, err
	}
	l := &life{name: name, over: make(chan struct{}), make: func(env ...string) *exec.Cmd {
		cmd := r.command(args...)
		cmd.Env = append(append([]string{}, cmd.Env...), env...)
		return proc.Apart(cmd, log)
	}}
	if err := l.start(); err != nil {
		return nil, err
	}
	go l.mind()
	return l, nil
}

func (l *life) start() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var env []string
	if l.next != nil {
		env = l.next()
	}
	l.fate, l.hit = strings.Join(env, " "), false
	l.cmd, l.born = l.make(env...), time.Now()
	return l.cmd.Start()
}

// mind waits for each end and begins the next life.
func (l *life) mind() {
	defer close(l.over)
	for {
		_ = l.cmd.Wait() // how it ended is in ProcessState
		l.mu.Lock()
		fate, code, hit, ending, died := l.fate, l.cmd.ProcessState.ExitCode(), l.hit, l.ending, l.died
		l.mu.Unlock()
		if ending {
			return
		}
		if died != nil {
			died(fate, code, !hit)
		}
		if code != -1 { // it gave up by itself, such as without a database
			time.Sleep(500 * time.Millisecond)
		}
		if err := l.start(); err != nil {
			fmt.Fprintln(os.Stderr, "crash:", l.name, err)
			return
		}
	}
}

// kill ends this life at once and reports whether there was one.
func (l *life) kill() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending || l.hit || l.cmd.Process == nil || time.Since(l.born) < time.Second {
		return false
	}
	l.hit = l.cmd.Process.Kill() == nil
	return l.hit
}

// attend sets what gives its next lives an environment, and what hears of
// their ends.
func (l *life) attend(next func() []string, died func(fate string, code int, byItself bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next, l.died = next, died
}

// doomed reports whether this life has a fate.
func (l *life) doomed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fate != ""
}

// signal reaches this life, if it is the one with that pid.
func (l *life) signal(pid int, s syscall.Signal) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.hit && l.cmd.Process != nil && l.cmd.Process.Pid == pid && l.cmd.Process.Signal(s) == nil
}

func (l *life) pid() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cmd.Process == nil {
		return 0
	}
	return l.cmd.Process.Pid
}

// froze is this life's pid if it stands still and was told to.
func (l *life) froze() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cmd.Process == nil || !strings.Contains(l.fate, "CARILLON_FREEZE_AT") {
		return 0
	}
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.cmd.Process.Pid)) // gone by now: not frozen
	if _, state, _ := bytes.Cut(stat, []byte(") ")); !bytes.HasPrefix(state, []byte("T")) {
		return 0
	}
	return l.cmd.Process.Pid
}

// end stops it for good.
func (l *life) end() {
	l.mu.Lock()
	l.ending = true
	_ = l.cmd.Process.Signal(syscall.SIGCONT)
	_ = l.cmd.Process.Signal(syscall.SIGTERM)
	l.mu.Unlock()
	select {
	case <-l.over:
	case <-time.After(15 * time.Second):
		_ = l.cmd.Process.Kill()
		<-l.over
	}
}

// plugin is the pid of the child that speaks to the network, 0 if there is none.
func (l *life) plugin() int {
	parent := l.pid()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent)) // the pattern is well formed
	for _, task := range tasks {
		list, _ := os.ReadFile(task) // gone by now: no children
		for _, field := range strings.Fields(string(list)) {
			line, _ := os.ReadFile("/proc/" + field + "/cmdline")
			if bytes.Contains(line, []byte("serve\x00pigeon")) {
				pid, _ := strconv.Atoi(field)
				return pid
			}
		}
	}
	return 0
}
