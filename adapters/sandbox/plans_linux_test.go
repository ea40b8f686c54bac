package sandbox

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// What is left when a machine lacks a mechanism, tried out. These are the
// levels that operators of such machines are told.
func TestLevelsOfLesserMachines(t *testing.T) {
	root := os.Geteuid() == 0
	for name, tt := range map[string]struct {
		plan plan
		want []string
	}{
		"all":                    {plan{Namespaces: true, User: !root, Landlock: landlockABI(), Seccomp: true}, nil},
		"without Landlock":       {plan{Namespaces: true, User: !root, Seccomp: true}, nil},
		"without seccomp":        {plan{Namespaces: true, User: !root, Landlock: landlockABI()}, []string{protocols, memory, calls}},
		"without namespaces":     {plan{Landlock: landlockABI(), Seccomp: true}, []string{disk, paths, tcp, ending, processes, total, privileges}},
		"an older Landlock":      {plan{Landlock: 3, Seccomp: true}, []string{disk, paths, abstract, tcp, others, ending, processes, total, privileges}},
		"Landlock alone":         {plan{Landlock: landlockABI()}, []string{disk, paths, tcp, protocols, ending, processes, memory, total, privileges, calls}},
		"an older one, confined": {plan{Namespaces: true, User: !root, Landlock: 1, Seccomp: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if !root {
				tt.want = slices.DeleteFunc(tt.want, func(part string) bool { return part == privileges })
			}
			d := detected{plan: tt.plan, uids: freeUIDs(), bare: true}
			level, err := d.attempt()
			if err != nil {
				t.Fatal(err)
			}
			var missing []string
			for _, p := range level.Parts {
				if p.Missing != "" {
					missing = append(missing, p.Name)
				}
			}
			if diff := cmp.Diff(tt.want, missing); diff != "" {
				t.Errorf("missing (-want +got):\n%s\n%s", diff, strings.Join(level.Missing(), "\n"))
			}
		})
	}
}

func TestEffective(t *testing.T) {
	l := Effective()
	if l.Name() != "full" || !slices.Contains(l.By, "seccomp") {
		t.Errorf("%s", l)
	}
	if again := Effective(); again.String() != l.String() {
		t.Errorf("%s, then %s", l, again)
	}
}

// TestOfAnOrdinaryUser runs all tests again without root's rights.
func TestOfAnOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("the tests run as an ordinary user already")
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.count=1")
	cmd.Env, cmd.Dir, cmd.WaitDelay = []string{"PATH=/usr/bin:/bin"}, "/", time.Minute
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The shim says what went wrong, and the guest does not run.
func TestAnOrderThatCannotBeObeyed(t *testing.T) {
	for name, change := range map[string]func(*order){
		"no folder":  func(o *order) { o.Dir = "/nowhere" },
		"no program": func(o *order) { o.Path = "/nowhere" },
		"no address": func(o *order) { o.Listens = []string{"192.0.2.1:1"} },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := &exec.Cmd{Path: "/bin/true", Args: []string{"true"}, Dir: "/"}
			c, level, err := Wrap(Required, cmd, nil, Policy{Scratch: dir})
			if err != nil {
				t.Fatal(level, err)
			}
			defer c.Close()
			change(&c.order)
			stdin, hold, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = stdin.Close(), hold.Close() }()
			cmd.Stdin = stdin
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if err := c.Serve(); err == nil || !strings.HasPrefix(err.Error(), "sandbox: ") {
				t.Errorf("served: %v", err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("it ended well")
			}
		})
	}
}
