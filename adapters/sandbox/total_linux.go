package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// look is how often a guest's memory is added up where no control group does it.
const look = time.Second

// Keep watches how much memory the guest with that number and all that it
// started have together, until done ends. Once it is more than Policy.Total,
// exceeded is called with the reason; the caller ends the guest. Where a control
// group holds the limit, the kernel does both and Keep returns at once.
func (c *Cage) Keep(pid int, done <-chan struct{}, exceeded func(error)) {
	if c.group != nil {
		return
	}
	limit := c.order.Policy.Total
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if n, err := usage(pid, limit); err == nil && n > limit {
			exceeded(tooMuch(n, limit))
			return
		}
	}
}

func tooMuch(n, limit uint64) error {
	return fmt.Errorf("with all that it started it has %d MiB of memory, over its %d", n>>20, limit>>20)
}

// usage is the memory of a process and of all below it, in bytes. What several
// share counts once, as far as the kernel says so; that is only asked for if the
// sum could be over enough.
func usage(pid int, enough uint64) (uint64, error) {
	all := family(pid)
	var rough uint64
	for _, p := range all {
		rough += resident(p)
	}
	if rough == 0 {
		return 0, errors.New("no process tells how much it has")
	}
	if rough <= enough {
		return rough, nil
	}
	var sum uint64
	for _, p := range all {
		sum += proportional(p)
	}
	return sum, nil
}

// maxFamily bounds what is looked at. A guest may not start as many.
const maxFamily = 4096

// family is a process and all below it. In a process namespace of its own,
// nothing that a guest started can leave it: orphans become the first one's.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all) && len(all) < maxFamily; i++ {
		all = append(all, children(all[i])...)
	}
	return all
}

// children are the processes that a process started, by any of its threads.
func children(pid int) (out []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // the thread ended meanwhile
		}
		for _, word := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(word); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// resident is what a process has in memory, files that it mapped and what it
// shares included.
func resident(pid int) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, pages uint64
	if _, err := fmt.Fscan(bytes.NewReader(b), &size, &pages); err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// proportional is a process's share of what is in memory: of what several have
// mapped, each has a part. A kernel that does not tell that to this user tells
// what the process wrote to, of which forks share some.
func proportional(pid int) uint64 {
	if n, err := fields(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:"); err == nil {
		return n
	}
	n, _ := fields(fmt.Sprintf("/proc/%d/status", pid), "RssAnon:", "RssShmem:")
	return n
}

// fields adds up lines such as "Pss:  12 kB", in bytes.
func fields(path string, names ...string) (sum uint64, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	found := false
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		for _, name := range names {
			if text, ok := strings.CutPrefix(lines.Text(), name); ok {
				n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(text, "kB")), 10, 64)
				if err != nil {
					return 0, err
				}
				sum, found = sum+n<<10, true
			}
		}
	}
	if !found {
		return 0, fmt.Errorf("%s does not say %s", path, names[0])
	}
	return sum, nil
}

// weigh says why a guest's memory cannot be held in total, empty if it can.
func (d detected) weigh(pid int) string {
	switch _, err := usage(pid, 0); {
	case d.groups != nil:
		return ""
	case err != nil:
		return "cannot be added up: " + err.Error()
	case !exists(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)):
		return "this kernel does not tell what a process started"
	case !d.plan.Namespaces:
		return "what a process leaves behind is not counted"
	}
	return ""
}
