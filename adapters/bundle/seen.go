package bundle

import (
	"os"
	"sync"
	"time"

	"github.com/carillonhq/carillon/adapters/filestamp"
)

// seen remembers which files were read and found to be what their lock says,
// so that a plugin that starts often does not wait for all of them each time.
// It is this process's own and begins empty: what another one saw is no proof.
type seen struct {
	margin time.Duration

	mu    sync.Mutex
	files map[string]filestamp.Stamp // by bundle and path
}

// unchanged reports whether the file is the very one that was read, untouched.
func (s *seen) unchanged(name string, now os.FileInfo) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[name].Same(now)
}

// note remembers a file that was found right. One that was written only just
// before is read again the next time.
func (s *seen) note(name string, info os.FileInfo, began time.Time) {
	stamp := filestamp.Of(info)
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.files, name); stamp.Older(began, s.margin) {
		s.files[name] = stamp
	}
}
