package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// tree is a folder that looks like control groups. What the kernel does with it
// no file can show; that is tried where a group was delegated, see attempt.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func content(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAControlGroupIsTakenOnlyIfItIsOurs(t *testing.T) {
	self := os.Getpid()
	for name, tt := range map[string]struct {
		controllers, inside, want string
	}{
		"empty":                    {"cpu memory pids", "", ""},
		"with this process alone":  {"memory pids", strconv.Itoa(self) + "\n", ""},
		"with somebody else's":     {"memory pids", strconv.Itoa(self) + "\n1\n", "other processes"},
		"without the controllers":  {"cpu pids", "", "no controller for memory"},
		"in which nothing is held": {"", "", "no controller"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, map[string]string{
				"cgroup.controllers": tt.controllers, "cgroup.procs": tt.inside, "cgroup.subtree_control": "", leaf + "/cgroup.procs": "",
			})
			g, err := openGroups(dir, self)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, want %s", err, tt.want)
				}
				return
			}
			if err != nil || g.dir != dir || content(t, dir, "cgroup.subtree_control") != "+memory +pids" {
				t.Errorf("%+v, %v", g, err)
			}
			if moved := content(t, dir, leaf, "cgroup.procs"); tt.inside != "" && moved != strconv.Itoa(self) {
				t.Errorf("this process is in %q", moved)
			}
		})
	}
}

func TestTheGroupOfThisProcess(t *testing.T) {
	mounts := "29 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	for name, tt := range map[string]struct{ membership, mounts, want string }{
		"of a service":  {"0::/system.slice/carillon.service\n", mounts, "/sys/fs/cgroup/system.slice/carillon.service"},
		"of both kinds": {"4:memory:/x\n0::/y\n", mounts, "/sys/fs/cgroup/y"},
		"of the first":  {"4:memory:/x\n", mounts, ""},
		"not mounted":   {"0::/y\n", "29 23 0:26 / /proc rw - proc proc rw\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, map[string]string{"cgroup": tt.membership, "mountinfo": tt.mounts})
			got, err := ownGroup(filepath.Join(dir, "cgroup"), filepath.Join(dir, "mountinfo"))
			if tt.want == "" && err == nil || tt.want != "" && got != tt.want {
				t.Errorf("%q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestWhyAGroupEnded(t *testing.T) {
	for said, want := range map[string]bool{"low 0\nmax 7\noom 1\noom_kill 1\n": true, "max 7\noom_kill 0\n": false, "oom_kill": false, "": false} {
		if g := (&group{dir: tree(t, map[string]string{"memory.events": said})}); g.exceeded() != want {
			t.Errorf("%q: %t", said, !want)
		}
	}
}
