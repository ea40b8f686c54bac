package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// ofArch are the calls that this architecture has besides.
var ofArch = []int{unix.SYS_RENAMEAT}
