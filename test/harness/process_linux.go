package harness

import "syscall"

// dieWithParent makes the kernel kill a child whose parent went without
// clearing up (a test binary that timed out).
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
