//go:build unix

package pluginhost

import (
	"os"
	"os/exec"
	"sync"

	"github.com/carillonhq/carillon/adapters/sandbox"
)

// Bare is a plugin's process as a host starts it, confined as that and with the
// same environment, and nobody between it and whoever started it: for those
// that want to see what a host strikes out and mends.
type Bare struct {
	Cmd   *exec.Cmd // its streams are the caller's to set before Start, what it says is the caller's to judge
	Level sandbox.Level

	cage *sandbox.Cage
	file *os.File
	ends chan struct{}
	once sync.Once
}

// forks is for processes that belong to no host.
var forks = sync.OnceValue(newForker)

// Outside prepares spec's process. proxy is its way out, dir an empty folder for
// its socket, beside which there may be one for cages, and env what it gets
// besides what every plugin gets. Of cfg it takes what is about processes.
func Outside(cfg Config, spec Spec, proxy, dir string, env ...string) (*Bare, error) {
	cfg = withDefaults(cfg)
	if spec.Binary == "" && cfg.Binary == "" {
		var err error
		if cfg.Binary, err = selfPath(); err != nil {
			return nil, err
		}
	}
	path, err := programOf(cfg, spec)
	if err != nil {
		return nil, err
	}
	program := &executable{path: path, byPath: isInterpreter(spec)}
	file, err := program.open(spec.Digest)
	if err != nil {
		return nil, err
	}
	r := &run{
		cmd: command(cfg, spec, program, file, proxy), file: file, byPath: program.byPath, mode: cfg.Sandbox.Mode,
		policy: policyOf(cfg, spec, path, proxy),
	}
	if err := r.prepare(env, dir); err != nil {
		_ = file.Close()
		return nil, err
	}
	return &Bare{Cmd: r.cmd, Level: r.level, cage: r.cage, file: file, ends: make(chan struct{})}, nil
}

// Start forks the process. It is not waited for: that is the caller's, and then
// Close. exceeded hears of a process that is to be ended for what it uses.
func (b *Bare) Start(exceeded func(error)) error {
	if err := forks().do(b.Cmd.Start); err != nil {
		b.Close()
		return err
	}
	if b.cage == nil {
		limitProcess(b.Cmd.Process.Pid)
		return nil
	}
	go func() {
		if err := b.cage.Serve(); err != nil {
			exceeded(err)
		}
	}()
	go b.cage.Keep(b.Cmd.Process.Pid, b.ends, exceeded)
	return nil
}

// At is this process's way to the socket that the plugin says is at path.
func (b *Bare) At(path string) string {
	if b.cage == nil {
		return path
	}
	return b.cage.At(path)
}

// Close gives back what the process had, once it has ended.
func (b *Bare) Close() {
	b.once.Do(func() {
		close(b.ends)
		if b.cage != nil {
			b.cage.Close()
		}
		_ = b.file.Close()
	})
}
