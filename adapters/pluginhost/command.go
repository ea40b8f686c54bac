package pluginhost

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// newRun prepares a child of s's program. The program is opened and hashed
// once, and that open file is what runs: another file at the same path later
// is not.
func newRun(s *supervisor) (*run, error) {
	if s.spec.Check != nil {
		if err := s.spec.Check(s.life); err != nil {
			return nil, err
		}
	}
	file, err := s.program.open(s.spec.Digest)
	if err != nil {
		return nil, err
	}
	cfg := s.host.cfg
	r := &run{
		cmd: command(cfg, s.spec, s.program, file, s.egress.URL()), file: file, fork: s.host.fork, done: make(chan struct{}), name: s.spec.Name, byPath: s.program.byPath,
		mode: cfg.Sandbox.Mode, policy: policyOf(cfg, s.spec, s.program.path, s.egress.URL()),
		out: &logWriter{log: cfg.Log.With("plugin", s.spec.ID), secrets: s.secrets},
	}
	for i := range r.relays {
		r.relays[i] = &relay{out: r.out}
	}
	r.line, r.handed = io.Pipe()
	return r, nil
}

// command is what runs spec's plugin, from that open file unless it is an
// interpreter.
func command(cfg Config, spec Spec, program *executable, file *os.File, proxy string) *exec.Cmd {
	args := spec.Args
	if spec.Binary == "" {
		args = append(cfg.Args(spec.Name), args...)
	}
	cmd := &exec.Cmd{Args: append([]string{spec.Name}, args...), Env: environment(cfg, spec, proxy), Dir: spec.Dir}
	execFile(cmd, file)
	if program.byPath {
		cmd.Path, cmd.Args[0], cmd.ExtraFiles = program.path, program.path, nil
	}
	return cmd
}

// environment is all that a plugin sees of the host's.
func environment(cfg Config, spec Spec, proxy string) []string {
	env := []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", "HOME=/nonexistent",
		"GOMEMLIMIT=" + strconv.FormatInt(cfg.Memory, 10), "GOMAXPROCS=2", "GOTRACEBACK=single",
	}
	if proxy != "" {
		env = append(env, "HTTP_PROXY="+proxy, "HTTPS_PROXY="+proxy, "NO_PROXY="+strings.Join(cfg.Direct, ","))
	}
	return append(append(env, cfg.Env...), spec.Env...)
}
