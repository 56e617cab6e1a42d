package harness

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// dieWithParent makes the kernel kill a child whose parent went without
// clearing up (a test binary that timed out).
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// stopped says whether every thread of a process is stopped: a signal takes a
// moment to reach all of them.
func stopped(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		// The state follows the name, which is in parentheses.
		if end := bytes.LastIndexByte(stat, ')'); end < 0 || len(stat) < end+3 || stat[end+2] != 'T' {
			return false
		}
	}
	return true
}
