package sandbox

import (
	"errors"
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

// likeTheKernel makes folders as control groups come, with their files, and
// removes one only when nothing was left alive in it.
func likeTheKernel(names []string, kept map[string]string) kernel {
	return kernel{
		mkdir: func(dir string, mode os.FileMode) error {
			err := os.Mkdir(dir, mode)
			for _, name := range names {
				err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
			}
			return err
		},
		remove: func(dir string) error {
			killed, err := os.ReadFile(filepath.Join(dir, "cgroup.kill"))
			if err != nil || string(killed) != "1" {
				return os.ErrPermission
			}
			for _, name := range names {
				said, _ := os.ReadFile(filepath.Join(dir, name))
				kept[name] = string(said)
			}
			return os.RemoveAll(dir)
		},
	}
}

func TestTheLimitsOfAGroup(t *testing.T) {
	all := []string{"memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cgroup.kill", "cgroup.procs", "memory.events"}
	for name, tt := range map[string]struct {
		files []string
		fails bool
	}{
		"on a kernel that has all":     {files: all},
		"without swap":                 {files: []string{"memory.max", "pids.max", "cgroup.kill"}},
		"where processes are no limit": {files: []string{"memory.max", "cgroup.kill"}, fails: true},
		"where memory is no limit":     {files: []string{"pids.max", "cgroup.kill"}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			kept := map[string]string{}
			g := &groups{dir: t.TempDir(), kernel: likeTheKernel(tt.files, kept)}
			one, err := g.make(Policy{Total: 1 << 30, Processes: 128})
			if (err != nil) != tt.fails {
				t.Fatal(err)
			}
			if err == nil {
				if one.file == nil || filepath.Dir(one.dir) != g.dir {
					t.Errorf("%+v", one)
				}
				one.close()
			}
			if left, _ := os.ReadDir(g.dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			for name, want := range map[string]string{"memory.max": "1073741824", "pids.max": "128", "memory.swap.max": "0", "memory.oom.group": "1", "cgroup.kill": "1"} {
				if said, ok := kept[name]; ok && said != want {
					t.Errorf("%s is %q, want %q", name, said, want)
				}
			}
		})
	}
}
