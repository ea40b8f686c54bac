package sandbox

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
)

// crowd is how many processes and threads a guest has to be left besides its
// own where it shares this user's count: those that there are, and some more.
func crowd() uint64 {
	var n uint64 = 512
	tasks, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	for _, t := range tasks {
		if info, err := os.Stat(t); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == os.Getuid() {
				n++
			}
		}
	}
	return n
}

// uidRange are users of this machine that nobody is.
type uidRange struct{ min, max int }

// pick is one of them by chance: the kernel counts processes by user, and two
// guests of one user could reach for each other.
func (r uidRange) pick() int { return r.min + rand.IntN(r.max-r.min) }

// freeUIDs finds a range that this process may become, empty if there is none.
func freeUIDs() uidRange {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil || os.Geteuid() != 0 {
		return uidRange{}
	}
	var inside, outside, length int64
	if _, err := fmt.Sscan(string(text), &inside, &outside, &length); err != nil {
		return uidRange{}
	}
	for _, r := range []uidRange{{2_000_000_000, 2_100_000_000}, {61_184, 65_519}} {
		if inside <= int64(r.min) && inside+length > int64(r.max) {
			return r
		}
	}
	return uidRange{}
}
