package pluginhost_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// hostile does whatever it is told to, and says how it went.
type hostile struct{ good }

func (hostile) Manifest() social.Manifest {
	m := good{}.Manifest()
	m.ID, m.Egress = "test.hostile", []string{"api.test"}
	return m
}

const didIt = "did it"

func (h hostile) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	if !caged() {
		return social.Step{}, errors.New("this plugin does nothing outside a sandbox")
	}
	word, rest, _ := strings.Cut(req.Content.Text, " ")
	tricks := map[string]func(string) error{
		"read": read, "write": write, "dial": dialTo, "packet": packet, "socket": socket, "signal": signal, "fetch": fetch(ctx), "call": call,
	}
	said := didIt
	switch {
	case tricks[word] != nil:
		if err := tricks[word](rest); err != nil {
			said = err.Error()
		}
	case word == "bomb":
		said = bomb()
	case word == "hog":
		said = hog(rest)
	case word == "fill":
		said = fill()
	case word == "family":
		said = family(rest)
	case word == "reply":
		// Repeated, so that only the message is as large as it says.
		mega := strings.Repeat("x", 1<<20)
		var all []string
		for range 1 << 10 {
			all = append(all, mega)
		}
		return social.Step{Receipt: &social.Receipt{Ref: social.Ref{ID: "1"}, Status: social.Live, Warnings: all}}, nil
	default:
		return h.good.Publish(ctx, req)
	}
	return social.Step{Receipt: &social.Receipt{Ref: social.Ref{ID: said}, Status: social.Live}}, nil
}

func read(path string) error {
	_, err := os.ReadFile(path)
	return err
}

// write opens a file for writing, and writes nothing: these tests may run as
// root. One that it makes it removes.
func write(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			defer func() { _ = os.Remove(path) }()
		}
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func dialTo(where string) error {
	network, address, _ := strings.Cut(where, " ")
	c, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	_, err = c.Read(make([]byte, 1))
	return err
}

func packet(address string) error {
	c, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_, err = c.Write([]byte("out"))
	return err
}

func socket(numbers string) error {
	var domain, kind, protocol int
	if _, err := fmt.Sscan(numbers, &domain, &kind, &protocol); err != nil {
		return nil //nolint:nilerr // then the test is wrong, which "did it" tells
	}
	fd, err := unix.Socket(domain, kind, protocol)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func signal(pid string) error {
	n, err := strconv.Atoi(pid)
	if err != nil {
		return nil //nolint:nilerr // likewise
	}
	return unix.Kill(n, 0)
}

func fetch(ctx context.Context) func(string) error {
	return func(target string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
		if err != nil {
			return err
		}
		res, err := sdk.HTTPClient().Do(req)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusForbidden {
			return errors.New(res.Status)
		}
		return nil
	}
}

// caged reports whether this process has a filter of system calls. A test of
// what a hostile plugin may do must not be what does it.
func caged() bool {
	b, err := os.ReadFile("/proc/self/status")
	return err == nil && strings.Contains(string(b), "Seccomp:\t2\n")
}

// maxBomb bounds the test itself.
const maxBomb = 400

// bomb starts processes until it is stopped, and tells how many it got.
func bomb() string {
	var pids []int
	defer func() {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, 0, nil)
		}
	}()
	for len(pids) < maxBomb {
		pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "60"}, nil)
		if err != nil {
			break
		}
		pids = append(pids, pid)
	}
	return strconv.Itoa(len(pids))
}

// hog takes memory of a kind until it gets no more, at most 2 GiB, and tells
// how many MiB it got. All of it is touched.
func hog(kind string) string {
	const step = 16 << 20
	fd, flags, got := -1, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, 0
	switch kind {
	case "shared":
		flags = unix.MAP_SHARED | unix.MAP_ANONYMOUS
	case "device":
		var err error
		if fd, err = unix.Open("/dev/zero", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return "0"
		}
		flags = unix.MAP_SHARED
	}
	for range 128 {
		b, err := unix.Mmap(fd, 0, step, unix.PROT_READ|unix.PROT_WRITE, flags)
		if err != nil {
			break
		}
		defer func() { _ = unix.Munmap(b) }()
		for i := 0; i < step; i += 4096 {
			b[i] = 1
		}
		got += step >> 20
	}
	return strconv.Itoa(got)
}

// fill makes files of 8 MiB wherever it may until it gets no more, at most 256
// MiB, and tells how many MiB it got. It removes them.
func fill() string {
	got, block := 0, make([]byte, 8<<20)
	for _, dir := range []string{os.Getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm", "/", "."} {
		for got < 256 {
			path := filepath.Join(dir, "fill"+strconv.Itoa(got))
			defer func() { _ = os.Remove(path) }()
			if err := os.WriteFile(path, block, 0o600); err != nil {
				break
			}
			got += 8
		}
	}
	return strconv.Itoa(got)
}

// family takes 32 MiB in each of so many processes, all within their limit, and
// waits for them.
func family(size string) string {
	n, _ := strconv.Atoi(size)
	var kept []*os.File // nobody waits for the children: each wait would be a thread, and its stack counts
	for range n {
		// A program of the system that keeps what it reads, and reads no end.
		in, out, err := os.Pipe()
		if err != nil {
			return err.Error()
		}
		_, err = syscall.ForkExec("/usr/bin/tail", []string{"tail", "-c", strconv.Itoa(32 << 20)}, &syscall.ProcAttr{Files: []uintptr{in.Fd(), 2, 2}})
		_ = in.Close()
		if err != nil {
			return err.Error()
		}
		kept = append(kept, out) // it holds on to all of it until its input ends
		go func() {
			block := make([]byte, 1<<20)
			for range 32 {
				if _, err := out.Write(block); err != nil {
					return
				}
			}
		}()
	}
	<-time.After(time.Minute)
	runtime.KeepAlive(kept)
	return didIt
}
