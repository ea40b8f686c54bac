package sandbox

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runs starts a shell as a guest under d's plan and returns what it said.
func (d detected) runs(t *testing.T, p Policy, script string, args ...string) (said string, level Level) {
	t.Helper()
	stdin, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = stdin.Close(), hold.Close() }()
	var out bytes.Buffer
	cmd := &exec.Cmd{
		Path: "/bin/sh", Args: append([]string{"sh", "-c", script}, args...), Dir: "/", Stdin: stdin, Stdout: &out, Stderr: &out,
		Env: []string{"PATH=/usr/bin:/bin"}, WaitDelay: 5 * time.Second, SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	p.Scratch = t.TempDir()
	c, level, err := d.wrap(Best, cmd, nil, p.orDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	served := c.Serve()
	if err := cmd.Wait(); served != nil {
		t.Fatalf("%v, %v: %s", served, err, out.String())
	}
	return out.String(), level
}

// shown is a folder that guests may read, with a file that only its owner may.
func shown(t *testing.T) (dir, secret string) {
	t.Helper()
	dir = t.TempDir()
	secret = filepath.Join(dir, "made-up.key")
	if err := os.WriteFile(secret, []byte("made-up secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, secret
}

// No argument makes root's guest run as root: an author writes the arguments.
func TestNoGuestOfRootIsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("root's guests are root's to start")
		return
	}
	dir, secret := shown(t)
	for name, args := range map[string][]string{
		"no argument": nil, "a secret": {secret}, "a secret that is not shown": {hidden(t)}, "a folder of root's": {filepath.Dir(hidden(t))},
	} {
		t.Run(name, func(t *testing.T) {
			said, _ := detect().runs(t, Policy{ReadOnly: []string{dir}}, "id -u; cat "+secret, args...)
			if uid, rest, _ := strings.Cut(said, "\n"); uid == "0" || strings.Contains(rest, "made-up secret") {
				t.Errorf("user %s read %q", uid, rest)
			}
		})
	}
}

// hidden is a file that only this user may read, in a folder of its own.
func hidden(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "hidden")
	if err := os.WriteFile(path, []byte("made-up secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A plugin that another user cannot run is not run as root instead.
func TestWhatOnlyRootMayReadDoesNotStart(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("root's guests are root's to start")
		return
	}
	for name, p := range map[string]Policy{
		"a folder": {ReadOnly: []string{filepath.Dir(hidden(t))}}, "a file": {ReadOnly: []string{hidden(t)}},
	} {
		for _, mode := range []Mode{Best, Required} {
			cmd := &exec.Cmd{Path: "/bin/true", Args: []string{"true"}, Dir: "/"}
			p.Scratch = t.TempDir()
			if c, _, err := Wrap(mode, cmd, nil, p); err == nil || !strings.Contains(err.Error(), p.ReadOnly[0]) || c != nil {
				t.Errorf("%s, %s: %v", name, mode, err)
			}
		}
	}
}

// Of the system's certificates guests see what is public, not the folders in
// which private keys lie beside it.
func TestKeysOfTheSystemAreNotShown(t *testing.T) {
	for _, network := range []bool{false, true} {
		for _, whole := range []string{"/etc", "/etc/ssl", "/etc/ssl/private", "/etc/pki", "/etc/pki/tls", "/etc/pki/tls/private", "/var", "/root", "/home"} {
			if slices.Contains(systemPaths(network), whole) {
				t.Errorf("%s is shown whole", whole)
			}
		}
	}
	said, _ := detect().runs(t, Policy{}, "ls -d /etc/ssl/private /etc/pki/tls/private; ls /etc/ssl/certs | head -3")
	if strings.Contains(said, "/private\n") && !strings.Contains(said, "No such file") {
		t.Errorf("%s", said)
	}
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err == nil && strings.Contains(said, "'/etc/ssl/certs'") {
		t.Errorf("no certificates: %s", said)
	}
}

// Without a network of its own a guest shares the names of abstract sockets,
// whatever was found out of one that has.
func TestAnOpenNetworkIsSaid(t *testing.T) {
	for name, tt := range map[string]struct {
		landlock int
		want     []string
	}{
		"that a Landlock cannot tell from others": {5, []string{abstract, tcp}},
		"that one can": {6, []string{tcp}},
	} {
		d := detected{plan: plan{Namespaces: true, User: os.Geteuid() != 0, Landlock: tt.landlock, Seccomp: true}, uids: freeUIDs(), level: Level{Parts: parts()}, bare: true}
		cmd := &exec.Cmd{Path: "/bin/true", Args: []string{"true"}, Dir: "/"}
		c, level, err := d.wrap(Best, cmd, nil, Policy{Open: true, Scratch: t.TempDir()}.orDefaults())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		var missing []string
		for _, p := range level.Parts {
			if p.Missing != "" {
				missing = append(missing, p.Name)
			}
		}
		if !slices.Equal(missing, tt.want) {
			t.Errorf("%s: missing %q, want %q", name, missing, tt.want)
		}
	}
}

// Where nothing ends a guest's processes with it but their group, they stay in
// that. What else they could do to outlive it is told.
func TestNothingLeavesItsGroup(t *testing.T) {
	if auditArch == 0 {
		t.Log("there is no filter for this machine")
		return
	}
	d := detected{plan: plan{Landlock: landlockABI(), Seccomp: true}, uids: freeUIDs(), level: Level{Parts: parts()}, bare: true}
	said, _ := d.runs(t, Policy{Open: true}, "setsid true && echo left")
	if strings.Contains(said, "left") || !strings.Contains(said, "not permitted") {
		t.Errorf("%s", said)
	}
	free, _ := detect().runs(t, Policy{}, "setsid true && echo left")
	if !strings.Contains(free, "left") {
		t.Errorf("with processes of its own it may: %s", free)
	}
}
