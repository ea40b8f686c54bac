package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Where the kernel's struct seccomp_data has what; both architectures are
// little endian, so the low half of an argument comes first.
const (
	atNumber = 0
	atArch   = 4
	atArgs   = 16

	answerErrno = 0x00050000
	answerAllow = 0x7fff0000
	answerKill  = 0x80000000

	newNamespace = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP
)

// filter is the list of what a guest may ask the kernel. Whatever is not on it
// does not exist, which programs are prepared for, as they run on old kernels,
// too. A foreign architecture's numbers mean something else, so they end the
// process. grouped keeps a guest's processes in its group, where that is all
// that ends them.
func filter(grouped bool) ([]bpf.RawInstruction, error) {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: atArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: answerKill},
		bpf.LoadAbsolute{Off: atNumber, Size: 4},
	}
	for number, judge := range judged {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: number, SkipFalse: uint8(len(judge))})
		program = append(program, judge...)
	}
	for _, number := range []uint32{unix.SYS_SETSID, unix.SYS_SETPGID} {
		if grouped {
			program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: number, SkipFalse: 1}, deny(unix.EPERM))
		}
	}
	for _, number := range allowed {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(number), SkipFalse: 1}, bpf.RetConstant{Val: answerAllow})
	}
	program = append(program, deny(unix.ENOSYS))
	return bpf.Assemble(program)
}

func allow() bpf.Instruction { return bpf.RetConstant{Val: answerAllow} }

func deny(err unix.Errno) bpf.Instruction {
	return bpf.RetConstant{Val: answerErrno | uint32(err)}
}

func arg(n uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: atArgs + 8*n, Size: 4} }

// judged are the calls whose arguments matter. Each program ends with an answer.
var judged = map[uint32][]bpf.Instruction{
	// TCP and unix sockets. Landlock's rules are about TCP, so a protocol that
	// is nearly TCP (MPTCP), or carries it in something else, would get out.
	unix.SYS_SOCKET: {
		arg(0),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_UNIX, SkipTrue: 8},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_INET, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AF_INET6, SkipTrue: 7},
		arg(1),
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SOCK_STREAM, SkipTrue: 4},
		arg(2),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_TCP, SkipTrue: 1},
		allow(),
		deny(unix.EPROTONOSUPPORT),
	},
	unix.SYS_CLONE: {
		arg(0),
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: newNamespace, SkipTrue: 1},
		allow(),
		deny(unix.EPERM),
	},
	// The kernel ends a guest whose host is gone; that is not its to cancel.
	unix.SYS_PRCTL: {
		arg(0),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PR_SET_PDEATHSIG, SkipTrue: 1},
		allow(),
		deny(unix.EPERM),
	},
	// Typing into somebody's terminal.
	unix.SYS_IOCTL: {
		arg(1),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCSTI, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCLINUX, SkipTrue: 1},
		allow(),
		deny(unix.EPERM),
	},
	// Memory that is shared and has no file counts towards no limit.
	unix.SYS_MMAP: {
		arg(3),
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: unix.MAP_ANONYMOUS, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.MAP_SHARED, SkipTrue: 1},
		allow(),
		deny(unix.EPERM),
	},
}

// enforceFilter makes this thread, and what it executes, obey for good. It
// needs no_new_privs.
func enforceFilter(grouped bool) error {
	raw, err := filter(grouped)
	if err != nil {
		return err
	}
	prog := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))}
	const setModeFilter = 1
	if _, _, err := unix.RawSyscall(unix.SYS_SECCOMP, setModeFilter, 0, uintptr(unsafe.Pointer(&prog))); err != 0 {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}
