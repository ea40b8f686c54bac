package bundle

import (
	"os"
	"sync"
	"time"
)

// margin is how long before it was read a file has to have been written for its
// times to tell a later change: clocks of file systems tick.
const margin = 2 * time.Second

// seen remembers which files were read and found to be what their lock says,
// so that a plugin that starts often does not wait for all of them each time.
// It is this process's own and begins empty: what another one saw is no proof.
type seen struct {
	margin time.Duration

	mu    sync.Mutex
	files map[string]stamp // by bundle and path
}

// stamp is what a file looked like before it was read.
type stamp struct {
	info   os.FileInfo
	status time.Time // of its last change of any kind, which nobody can set; zero where that is not told
}

// unchanged reports whether the file is the very one that was read, untouched.
func (s *seen) unchanged(name string, now os.FileInfo) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.files[name]
	return ok && os.SameFile(was.info, now) && was.info.Size() == now.Size() && was.info.Mode() == now.Mode() &&
		was.info.ModTime().Equal(now.ModTime()) && was.status.Equal(statusChanged(now))
}

// note remembers a file that was found right. One that was written only just
// before is read again the next time.
func (s *seen) note(name string, info os.FileInfo, began time.Time) {
	status := statusChanged(info)
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.files, name); began.Sub(info.ModTime()) >= s.margin && began.Sub(status) >= s.margin {
		s.files[name] = stamp{info, status}
	}
}
