package pluginhost

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/carillonhq/carillon/adapters/sandbox"
)

// A Sandbox is how plugins are confined. The zero value confines them as well
// as the machine can.
type Sandbox struct {
	Mode     sandbox.Mode // empty means sandbox.Best
	ReadOnly []string     // folders that every plugin may read besides the system's, such as an interpreter's
	Memory   uint64       // bytes that one process may have; 0 means 1 GiB
	Total    uint64       // bytes that all processes of a plugin may have together; 0 means 1 GiB
}

// confine makes r's child start in a cage. It is called once its environment
// and its socket's directory are known.
func (r *run) confine() error {
	program := r.file
	if r.byPath {
		program = nil
	}
	scratch, err := scratchDir(r.dir)
	if err != nil {
		return err
	}
	p := r.policy
	p.Scratch, p.Sockets = scratch, r.dir
	r.cage, r.level, err = sandbox.Wrap(r.mode, r.cmd, program, p)
	return err
}

// scratchDir is where cages are furnished, each out of sight of all others.
func scratchDir(socketDir string) (string, error) {
	dir := filepath.Join(filepath.Dir(socketDir), "root")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return dir, nil
}

// policyOf is what spec's plugin may do, but for its sockets.
func policyOf(cfg Config, spec Spec, program, proxy string) sandbox.Policy {
	p := sandbox.Policy{ReadOnly: slices.Clone(cfg.Sandbox.ReadOnly), Memory: cfg.Sandbox.Memory, Total: cfg.Sandbox.Total, Connect: slices.Clone(cfg.Direct)}
	if spec.Dir != "" {
		if dir, err := filepath.Abs(spec.Dir); err == nil {
			p.ReadOnly = append(p.ReadOnly, dir)
		}
	}
	if prefix := prefixOf(program); isInterpreter(spec) && prefix != "" {
		p.ReadOnly = append(p.ReadOnly, prefix)
	}
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" {
		p.Open = true
		return p
	}
	p.Connect = append(p.Connect, u.Host)
	return p
}

// prefixOf is the folder that an interpreter at path was installed in with its
// libraries, empty if that cannot be told or would be somebody's home.
func prefixOf(path string) string {
	bin := filepath.Dir(path)
	prefix := filepath.Dir(bin)
	if base := filepath.Base(bin); base != "bin" && base != "sbin" || prefix == "/" || prefix == "/usr" {
		return ""
	}
	if home, err := os.UserHomeDir(); err == nil && (prefix == home || prefix == filepath.Join(home, ".local")) {
		return ""
	}
	return prefix
}
