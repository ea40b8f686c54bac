package pluginhost

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// What of a plugin's output is kept: the start of each line, and so many lines
// a second. The rest is read and thrown away, because a plugin blocks when
// nobody reads and a disk fills when somebody keeps it all.
const (
	maxLine        = 4 << 10
	linesPerSecond = 50
)

// logWriter turns a plugin's output into log records. Both of its streams, and
// what go-plugin relays, share one allowance.
type logWriter struct {
	log     *slog.Logger
	secrets *secrets

	mu      sync.Mutex
	second  int64
	lines   int
	dropped int
}

// drain reads in to its end, whatever comes.
func (w *logWriter) drain(in *bufio.Reader) {
	continued := false
	for {
		line, more, err := in.ReadLine()
		if err != nil {
			return
		}
		if !continued {
			w.line(line)
		}
		continued = more
	}
}

// A relay puts the lines of one stream together again: go-plugin hands it on in
// pieces that end anywhere, be it within a secret.
type relay struct {
	out *logWriter

	mu   sync.Mutex
	line []byte
	over bool // the rest of the line is thrown away
}

// Write implements io.Writer.
func (r *relay) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for part := range bytes.Lines(b) {
		text, ended := bytes.CutSuffix(part, []byte("\n"))
		if !r.over {
			r.line = append(r.line, text...)
		}
		if full := len(r.line) >= maxLine; ended || full {
			r.pass()
			r.over = !ended
		}
	}
	return len(b), nil
}

// end passes on what there is of a line that will not be ended any more.
func (r *relay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pass()
}

// pass is called with the lock held.
func (r *relay) pass() {
	r.out.line(bytes.TrimSuffix(r.line[:min(len(r.line), maxLine)], []byte("\r")))
	r.line = r.line[:0]
}

var _ io.Writer = (*relay)(nil)

func (w *logWriter) line(b []byte) {
	dropped, ok := w.allow(time.Now())
	if !ok || len(b) == 0 {
		return
	}
	text := strings.ToValidUTF8(w.secrets.redact(string(b)), "\uFFFD")
	if dropped > 0 {
		w.log.Warn("plugin output dropped", "lines", dropped)
	}
	w.log.Info("plugin output", "line", text)
}

// allow spends one line of this second's allowance. It returns how many were
// refused before, once.
func (w *logWriter) allow(now time.Time) (dropped int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := now.Unix(); s != w.second {
		w.second, w.lines = s, 0
	}
	if w.lines >= linesPerSecond {
		w.dropped++
		return 0, false
	}
	w.lines++
	dropped, w.dropped = w.dropped, 0
	return dropped, true
}
