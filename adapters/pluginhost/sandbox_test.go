//go:build linux

package pluginhost_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/ports/social"
)

// surroundings are what a hostile plugin would like to get at. All of it is
// open to the user that the host runs as.
type surroundings struct {
	dir                          string
	secret, socket               string // a file and a unix socket
	abstract, tcp, sameport, udp string
	heard                        atomic.Int64 // by any of the listeners
}

func surround(t *testing.T, proxy string) *surroundings {
	t.Helper()
	s := &surroundings{dir: shortDir(t)}
	s.secret, s.socket = filepath.Join(s.dir, "master.key"), filepath.Join(s.dir, "postgres")
	if err := os.WriteFile(s.secret, []byte("key"), 0o644); err != nil {
		t.Fatal(err)
	}
	listen := func(network, address string) string {
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		go s.answer(ln)
		return ln.Addr().String()
	}
	listen("unix", s.socket)
	s.abstract = listen("unix", "@carillon-test-"+filepath.Base(s.dir))
	s.tcp = listen("tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(proxy)
	s.sameport = listen("tcp", "127.0.0.9:"+port)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		if _, _, err := pc.ReadFrom(make([]byte, 16)); err == nil {
			s.heard.Add(1)
		}
	}()
	s.udp = pc.LocalAddr().String()
	for _, path := range []string{s.dir, s.socket} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *surroundings) answer(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		s.heard.Add(1)
		_, _ = c.Write([]byte("!"))
		_ = c.Close()
	}
}

// prison is a host with a hostile plugin and another one.
type prison struct {
	host           *pluginhost.Host
	hostile, other pluginhost.Plugin
	around         *surroundings
	base           string
}

func imprison(t *testing.T) *prison {
	t.Helper()
	resolver := rebinding{}
	proxy, err := egress.ListenProxy(egress.New(egress.Options{Resolver: &resolver}), egress.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	pr := &prison{around: surround(t, proxy.Addr()), base: shortDir(t)}
	pr.host, err = pluginhost.New(pluginhost.Config{
		Args: asFixture, Env: []string{instantly}, Dir: filepath.Join(pr.base, "s"), Log: slog.New(slog.DiscardHandler), Timeouts: patient(),
		Egress: func(id string) pluginhost.Egress {
			return proxy.Grant(id, []string{"169.254.169.254", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "127.0.0.1", "rebind.test", "metadata.test"})
		},
		Sandbox: pluginhost.Sandbox{Mode: sandbox.Required, Memory: 4 << 30},
	}, []pluginhost.Spec{{ID: "test.hostile", Name: "hostile"}, {ID: "test.finder", Name: "finder"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pr.host.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	pr.hostile, pr.other = open(t, pr.host, "test.hostile"), open(t, pr.host, "test.finder")
	return pr
}

// rebinding answers a name with a public address first and a private one after.
type rebinding struct{ asked atomic.Int64 }

func (r *rebinding) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host == "rebind.test" && r.asked.Add(1) == 1 {
		return []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("127.0.0.1")}, nil
	}
	return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
}

// tell makes the hostile plugin do something and returns what it says of it.
func (pr *prison) tell(t *testing.T, trick string) string {
	t.Helper()
	step, err := publish(pr.hostile, trick, false)
	if err != nil {
		t.Fatalf("%s: %v", trick, err)
	}
	return step.Receipt.Ref.ID
}

// Where the sandbox is not whole, this fails and says why.
func TestHostilePlugin(t *testing.T) {
	if l := sandbox.Effective(); l.Name() != "full" {
		t.Fatalf("as user %d the sandbox is %s", os.Getuid(), l)
	}
	pr := imprison(t)
	served := pr.serveMeanwhile(t)
	t.Run("gets at nothing", pr.getsAtNothing)
	t.Run("starts few processes", func(t *testing.T) {
		if n, err := strconv.Atoi(pr.tell(t, "bomb")); err != nil || n > 128 || n == 0 {
			t.Errorf("started %d, %v", n, err)
		}
	})
	t.Run("fills no disk", pr.fillsNoDisk)
	t.Run("floods nobody", pr.floodsNobody)
	if served() == 0 {
		t.Error("the other plugin did not serve")
	}
	if n := pr.around.heard.Load(); n != 0 {
		t.Errorf("%d connections and packets arrived", n)
	}
}

func (pr *prison) getsAtNothing(t *testing.T) {
	host := strconv.Itoa(os.Getpid())
	others := pr.sockets(t)
	if len(others) < 2 {
		t.Fatal(others)
	}
	a := pr.around
	tricks := []string{
		"read /etc/shadow", "read " + a.secret, "read /proc/" + host + "/environ", "read /proc/" + host + "/cmdline", "read /proc/1/root" + a.secret, "read /root/.bashrc",
		"read /proc/self/root" + a.secret, "read /proc/self/cwd/../../../.." + a.secret, "read /proc/kallsyms", "read /proc/sys/kernel/hostname", "read /sys/kernel/notes",
		"write " + a.secret, "write " + a.dir + "/new", "write /etc/passwd", "write /usr/lib/new", "write /new", "write /proc/self/oom_score_adj", "write /dev/shm/new", "write /etc/resolv.conf",
		"dial tcp " + a.tcp, "dial tcp " + a.sameport, "dial tcp 169.254.169.254:80", "dial tcp [::1]:22", "dial unix " + a.socket, "dial unix " + a.abstract, "dial udp " + a.udp, "packet " + a.udp,
		"signal " + host, "signal " + strconv.Itoa(pr.host.Status()[1].PID),
		"fetch https://169.254.169.254/latest/meta-data", "fetch https://[::ffff:169.254.169.254]/", "fetch https://[::ffff:a9fe:a9fe]/", "fetch http://169.254.169.254/",
		"fetch https://rebind.test/", "fetch https://rebind.test/again", "fetch https://metadata.test/", "fetch https://127.0.0.1/", "fetch https://not-listed.test/",
		"call unshare", "call ptrace", "call mount", "call chroot", "call setns", "call setuid", "call keyctl", "call bpf", "call uring", "call clone3", "call memfd", "call orphan", "call limit",
	}
	const mptcp, packet = 262, syscall.AF_PACKET
	for _, s := range [][3]int{
		{syscall.AF_INET, syscall.SOCK_STREAM, mptcp}, {syscall.AF_INET6, syscall.SOCK_STREAM, mptcp}, {syscall.AF_INET, syscall.SOCK_DGRAM, 0}, {syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP},
		{syscall.AF_INET, syscall.SOCK_DGRAM, syscall.IPPROTO_ICMP}, {syscall.AF_NETLINK, syscall.SOCK_RAW, 0}, {packet, syscall.SOCK_RAW, 0}, {40, syscall.SOCK_STREAM, 0},
	} {
		tricks = append(tricks, fmt.Sprintf("socket %d %d %d", s[0], s[1], s[2]))
	}
	for _, trick := range tricks {
		if said := pr.tell(t, trick); said == didIt {
			t.Errorf("%s: %s", trick, said)
		}
	}
	pr.reachesNoSocketOfOthers(t, others)
	if _, err := os.Stat(a.dir + "/new"); err == nil {
		t.Error("a file was left outside")
	}
}

// sockets are those of all plugins, each where its plugin has it.
func (pr *prison) sockets(t *testing.T) (out []string) {
	t.Helper()
	for _, s := range pr.host.Status() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/unix", s.PID))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); strings.HasPrefix(f[len(f)-1], pr.base) && !slices.Contains(out, f[len(f)-1]) {
				out = append(out, f[len(f)-1])
			}
		}
	}
	return out
}

// reachesNoSocketOfOthers: of all sockets of this host, a plugin reaches its own.
func (pr *prison) reachesNoSocketOfOthers(t *testing.T, sockets []string) {
	t.Helper()
	reached := 0
	for _, s := range sockets {
		said := pr.tell(t, "dial unix "+s)
		if !strings.Contains(said, "no such file") && !strings.Contains(said, "permission denied") {
			reached++
		}
	}
	if reached > 1 {
		t.Errorf("reached %d sockets of %d", reached, len(sockets))
	}
}

func (pr *prison) floodsNobody(t *testing.T) {
	debug.FreeOSMemory()
	before := peak(t)
	if step, err := publish(pr.hostile, "reply", false); err == nil {
		t.Errorf("a reply of 1 GiB arrived: %d warnings", len(step.Receipt.Warnings))
	}
	for _, trick := range append([]string{"stderr endless"}, slices.Repeat([]string{"now"}, 20)...) {
		_, _ = publish(pr.hostile, trick, false) // it may break under what it does
	}
	if grown := peak(t) - before; grown > 64<<20 {
		t.Errorf("the host grew by %d MiB", grown>>20)
	}
}

// serveMeanwhile calls the other plugin all the time; each call has to succeed.
func (pr *prison) serveMeanwhile(t *testing.T) (stop func() int) {
	t.Helper()
	done, ended := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-done:
				ended <- n
				return
			default:
			}
			if _, err := publish(pr.other, "now", false); err != nil {
				t.Errorf("the other plugin: %v", err)
			}
			n++
		}
	}()
	return func() int { close(done); return <-ended }
}

// peak is the most memory that this process had since the last call, in bytes.
func peak(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := bytes.Cut(b, []byte("VmHWM:"))
	var kib int
	if _, err := fmt.Sscan(string(text), &kib); err != nil {
		t.Fatal(err)
	}
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	return kib << 10
}

func TestAPluginHasNoMoreMemoryThanItMay(t *testing.T) {
	h := host(t, "hostile", "test.hostile", func(c *pluginhost.Config, _ *pluginhost.Spec) {
		c.Sandbox = pluginhost.Sandbox{Mode: sandbox.Required, Memory: 512 << 20}
		c.Egress = func(string) pluginhost.Egress { return &door{url: "http://x:y@127.0.0.1:9"} }
	})
	pr := &prison{hostile: open(t, h, "test.hostile")}
	for kind, limit := range map[string]int{"private": 512, "shared": 0, "device": 0} {
		if got, err := strconv.Atoi(pr.tell(t, "hog "+kind)); err != nil || got > limit {
			t.Errorf("%s: %d MiB, %v", kind, got, err)
		}
	}
}

// Each of its processes is within its limit, and all of them are not.
func TestAPluginHasNoMoreMemoryInAllItsProcesses(t *testing.T) {
	h := host(t, "hostile", "test.hostile", func(c *pluginhost.Config, _ *pluginhost.Spec) {
		c.Sandbox = pluginhost.Sandbox{Mode: sandbox.Required, Memory: 512 << 20, Total: 128 << 20}
		c.Egress = func(string) pluginhost.Egress { return &door{url: "http://x:y@127.0.0.1:9"} }
	})
	p := open(t, h, "test.hostile")
	pid := running(t, h)
	if _, err := publish(p, "family 8", false); err == nil {
		t.Error("it had 256 MiB in all and was let be")
	}
	eventually(t, time.Minute, "it is gone, and that is why", func() bool {
		return gone(pid) && strings.Contains(h.Status()[0].LastError, "with all that it started")
	})
}

// TestHostilePluginOfAnOrdinaryUser runs the test above again without root's rights.
func TestHostilePluginOfAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Log("the tests run as an ordinary user already")
		return
	}
	_, content := self(t)
	file, _ := program(t, content)
	for _, path := range []string{file, filepath.Dir(file)} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(file, "-test.run=^(TestHostilePlugin|TestAPluginHasNoMoreMemoryThanItMay|TestAPluginHasNoMoreMemoryInAllItsProcesses|TestWhatIsRequired|TestInterpretersWorkInTheSandbox)$", "-test.count=1")
	cmd.Env, cmd.Dir, cmd.WaitDelay = []string{"PATH=/usr/bin:/bin", instantly}, "/", time.Minute
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWhatIsRequired(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mode  sandbox.Mode
		proxy string
		level string // empty: it does not start
	}{
		"required":           {sandbox.Required, "http://x:y@127.0.0.1:9", "full"},
		"required, no proxy": {sandbox.Required, "", ""},
		"best":               {sandbox.Best, "http://x:y@127.0.0.1:9", "full"},
		"not set":            {"", "http://x:y@127.0.0.1:9", "full"},
		"best, no proxy":     {sandbox.Best, "", "partial"},
		"off":                {sandbox.Off, "http://x:y@127.0.0.1:9", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
				c.Sandbox.Mode = tt.mode
				c.Egress = func(string) pluginhost.Egress { return &door{url: tt.proxy} }
			})
			_, err := h.Platform(t.Context(), "test.good")
			s := h.Status()[0]
			switch {
			case tt.level == "" && (err == nil || !strings.Contains(s.LastError, "required")):
				t.Errorf("started: %v, %q", err, s.LastError)
			case tt.level != "" && (err != nil || s.Sandbox.Name() != tt.level):
				t.Errorf("%s, %v, want %s", s.Sandbox, err, tt.level)
			}
		})
	}
}

var _ social.Platform = hostile{}
