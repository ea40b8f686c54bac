package filestamp

import (
	"os"
	"syscall"
	"time"
)

// statusChanged is when anything about a file was changed last, which unlike
// the time of writing nobody can set.
func statusChanged(info os.FileInfo) time.Time {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(int64(st.Ctim.Sec), int64(st.Ctim.Nsec)) //nolint:unconvert // narrower on some machines
	}
	return time.Time{}
}
