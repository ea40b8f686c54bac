package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/carillonhq/carillon/cmd/internal/proc"
)

// ticks is how many of a process's clock ticks make a second; Linux has told
// user space 100 on every architecture for thirty years.
const ticks = 100

// cpu is the processor time that a process has used, in seconds, with its
// children that ended; and the same summed over its living children.
func cpu(pid int) (own, children float64) {
	own, _ = used(pid)
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if t, parent := used(child); parent == pid {
			children += t
		}
	}
	return own, children
}

func used(pid int) (seconds float64, parent int) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, 0
	}
	// pid (name) state ppid … utime stime cutime cstime, the 14th to 17th
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 15 {
		return 0, 0
	}
	parent, _ = strconv.Atoi(f[1])
	for _, t := range f[11:15] {
		n, _ := strconv.ParseFloat(t, 64)
		seconds += n / ticks
	}
	return seconds, parent
}

// spent is the processor time of an installation by part.
type spent struct {
	database, workers, plugins, driver float64
	log                                float64 // bytes that the database wrote ahead
}

func (h *house) spent(workers []*proc.Process) (s spent) {
	own, backends := cpu(h.Database.PID)
	s.database = own + backends
	for _, w := range workers {
		own, plugins := cpu(w.PID())
		s.workers += own
		s.plugins += plugins
	}
	s.driver, _ = used(os.Getpid())
	return s
}

// spentAndLogged is spent with what does not depend on what else the machine does.
func (h *house) spentAndLogged(ctx context.Context) spent {
	s := h.spent(nil)
	_ = h.Admin.QueryRow(context.WithoutCancel(ctx), "select (pg_current_wal_insert_lsn() - '0/0')::float8").Scan(&s.log)
	return s
}

func (s spent) since(before spent) spent {
	return spent{s.database - before.database, s.workers - before.workers, s.plugins - before.plugins, s.driver - before.driver, s.log - before.log}
}

func (s spent) and(more spent) spent {
	return spent{s.database + more.database, s.workers + more.workers, s.plugins + more.plugins, s.driver + more.driver, s.log + more.log}
}

// each is the milliseconds of all parts for one of n.
func (s spent) each(n int) float64 {
	return (s.database + s.workers + s.plugins + s.driver) / float64(n) * 1000
}

// parts says what each is made of, where no process but this one takes part.
func (s spent) parts(n int) string {
	return fmt.Sprintf("database %.2f, client %.2f; %.0f bytes of log", s.database/float64(n)*1000, s.driver/float64(n)*1000, s.log/float64(n))
}
