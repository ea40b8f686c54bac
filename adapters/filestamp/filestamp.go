// Package filestamp tells whether a file that was read is still the same, without
// reading it again. Size and time of writing do not: whoever writes to a file in
// place sets both back. The time of its last change of any kind nobody can set.
// Start with Of.
package filestamp

import (
	"os"
	"time"
)

// Margin is how long before it was read a file has to have been changed for its
// times to tell a later change: clocks of file systems tick.
const Margin = 2 * time.Second

// A Stamp is what a file looked like before it was read. The zero Stamp is of none.
type Stamp struct {
	info   os.FileInfo
	status time.Time // zero where that is not told
}

// Of is the stamp of a file that info is of.
func Of(info os.FileInfo) Stamp { return Stamp{info, statusChanged(info)} }

// Same reports whether now is of that very file, untouched.
func (s Stamp) Same(now os.FileInfo) bool {
	return s.info != nil && os.SameFile(s.info, now) && s.info.Size() == now.Size() && s.info.Mode() == now.Mode() &&
		s.info.ModTime().Equal(now.ModTime()) && s.status.Equal(statusChanged(now))
}

// Older reports whether the last change was at least margin before began, so
// that a change from then on would show.
func (s Stamp) Older(began time.Time, margin time.Duration) bool {
	return s.info != nil && began.Sub(s.info.ModTime()) >= margin && began.Sub(s.status) >= margin
}
