//go:build !linux

package imaging

import "syscall"

// attributes put the child into a group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// confine has no means here: only Linux can limit another process. The child's
// time and its runtime's memory are limited all the same.
func confine(int, Limits) error { return nil }
