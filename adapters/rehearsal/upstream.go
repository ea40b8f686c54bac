package rehearsal

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Upstream is a fake of the platform.
type Upstream interface {
	// URL is where it listens, without a slash at the end.
	URL() string
	// Objects is what is live there.
	Objects(context.Context) ([]Object, error)
	// Counts reports whether Objects can be asked at all.
	Counts() bool
}

// An Object is something published.
type Object struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// fake is an upstream in a process of its own.
type fake struct {
	cmd     *exec.Cmd
	url     string
	objects string
	out     *tail
	done    chan struct{}
}

// fakeStart is how long a fake may take to listen.
const fakeStart = 30 * time.Second

var address = regexp.MustCompile(`https?://[^\s"']+`)

func startFake(ctx context.Context, dir string, s UpstreamSettings) (*fake, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	f := &fake{objects: s.Objects, out: &tail{}, done: make(chan struct{})}
	f.cmd = exec.Command(s.Command[0], s.Command[1:]...) //nolint:gosec // the author's own fake
	if strings.Contains(s.Command[0], "/") && !filepath.IsAbs(s.Command[0]) {
		f.cmd.Path, f.cmd.Err = filepath.Join(dir, s.Command[0]), nil
	}
	f.cmd.Dir, f.cmd.Env = dir, append(os.Environ(), "PORT="+port)
	for k, v := range s.Env {
		f.cmd.Env = append(f.cmd.Env, k+"="+v)
	}
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	f.cmd.WaitDelay = time.Second
	said := make(chan string, 1)
	f.cmd.Stderr = f.out
	f.cmd.Stdout = &announced{next: f.out, said: said}
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("the fake cannot be started: %w", err)
	}
	go func() { _ = f.cmd.Wait(); close(f.done) }()
	if f.url, err = f.await(ctx, "127.0.0.1:"+port, said); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func freePort(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	return port, err
}

// await returns the fake's address once it says one, or listens where it was told.
func (f *fake) await(ctx context.Context, addr string, said <-chan string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fakeStart)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case url := <-said:
			return url, nil
		case <-f.done:
			return "", fmt.Errorf("the fake ended with %s: %s", ending(f.cmd.ProcessState), f.said())
		case <-ctx.Done():
			return "", fmt.Errorf("the fake runs, but neither listens on the port in $PORT nor prints its address: %s", f.said())
		case <-tick.C:
			var d net.Dialer
			if c, err := d.DialContext(ctx, "tcp", addr); err == nil {
				_ = c.Close()
				return "http://" + addr, nil
			}
		}
	}
}

// said is what the fake printed, on either stream.
func (f *fake) said() string { return cmp.Or(f.out.String(), "it printed nothing") }

// ending is "status 3" or a signal's name.
func ending(s *os.ProcessState) string {
	if code := s.ExitCode(); code >= 0 {
		return fmt.Sprint("status ", code)
	}
	return s.String()
}

func (f *fake) URL() string  { return f.url }
func (f *fake) Counts() bool { return f.objects != "" }

func (f *fake) Objects(ctx context.Context) ([]Object, error) {
	if f.objects == "" {
		return nil, errors.New("carillon.yaml: test.upstream.objects: say where the fake tells what is live")
	}
	return listed(ctx, f.url+f.objects)
}

// listed asks for what is live.
func listed(ctx context.Context, at string) ([]Object, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	res, err := (&http.Client{Timeout: fakeStart}).Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return parseObjects(res)
}

// parseObjects reads an array of objects, or an object that holds one.
func parseObjects(res *http.Response) ([]Object, error) {
	raw, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	var list []Object
	if json.Unmarshal(raw, &list) == nil && res.StatusCode == http.StatusOK {
		return list, nil
	}
	return nil, fmt.Errorf("the fake's list of objects is status %d, %.80q and not a JSON array", res.StatusCode, raw)
}

// Close ends the fake and what it started.
func (f *fake) Close() {
	_ = syscall.Kill(-f.cmd.Process.Pid, syscall.SIGKILL)
	<-f.done
}

// announced passes lines on and looks for the first address on this machine in
// them. Any other, such as that of some documentation, is not the fake's: what
// is sent to it are the test accounts' secrets.
type announced struct {
	next io.Writer
	said chan<- string
	once sync.Once
	line []byte
}

func (a *announced) Write(b []byte) (int, error) {
	a.line = append(a.line, b...)
	for {
		line, rest, whole := bytes.Cut(a.line, []byte("\n"))
		if !whole {
			break
		}
		for _, found := range address.FindAllString(string(line), -1) {
			if host := onLoopback(found); host != "" {
				a.once.Do(func() { a.said <- "http://" + host })
			}
		}
		a.line = rest
	}
	if len(a.line) > 64<<10 {
		a.line = nil
	}
	return a.next.Write(b)
}

// onLoopback is the host and port of an address on this machine, "" of any other.
func onLoopback(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Port() == "" {
		return ""
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ""
	}
	return u.Host
}

// tail keeps the last of what was written.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if n := len(t.buf) - 64<<10; n > 0 {
		t.buf = t.buf[n:]
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}
