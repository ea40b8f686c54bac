//go:build !linux

package sandbox

import (
	"os"
	"os/exec"
)

// A Cage is the host's end of one guest. There is none here.
type Cage struct{}

// Main returns: only Linux has a sandbox.
func Main() {}

const onlyLinux = "only Linux has a sandbox"

// Effective is none on this system.
func Effective() Level { return nothing(onlyLinux) }

// Wrap leaves cmd as it is. Error: in mode Required.
func Wrap(mode Mode, _ *exec.Cmd, _ *os.File, _ Policy) (*Cage, Level, error) {
	if mode.lacks(Effective()) != "" {
		return nil, Effective(), required{}
	}
	return nil, Effective(), nil
}

type required struct{}

func (required) Error() string { return "the sandbox is required and " + onlyLinux }

// Serve does nothing.
func (*Cage) Serve() error { return nil }

// Keep does nothing.
func (*Cage) Keep(int, <-chan struct{}, func(error)) {}

// Verdict does nothing.
func (*Cage) Verdict() error { return nil }

// At is path.
func (*Cage) At(path string) string { return path }

// Close does nothing.
func (*Cage) Close() {}
