package app

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// The budget for bodies where none is set: an eighth of the memory, in these
// bounds, in MiB.
const (
	minBodyMiB = 64
	maxBodyMiB = 1024
)

// bodyMemory is the budget for bodies in bytes.
func (c *Config) bodyMemory() int64 {
	if c.BodyMiB > 0 {
		return int64(c.BodyMiB) << 20
	}
	return min(max(memory()/8, minBodyMiB<<20), maxBodyMiB<<20)
}

// memory is what this process may use, in bytes: the least of GOMEMLIMIT, of the
// limits of its control groups and of what the machine has; 2 GiB where none of
// them is known.
func memory() int64 {
	least := debug.SetMemoryLimit(-1) // asks only
	for _, file := range cgroupLimits("/proc/self/cgroup", "/sys/fs/cgroup") {
		if text, err := os.ReadFile(file); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
				least = min(least, n)
			}
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if n := memTotal(text); n > 0 {
			least = min(least, n)
		}
	}
	if least == math.MaxInt64 {
		return 2 << 30
	}
	return least
}

// cgroupLimits are the files that may hold a limit (version 2): of the process's
// group and of those above it.
func cgroupLimits(self, root string) []string {
	text, err := os.ReadFile(self)
	if err != nil {
		return nil
	}
	var paths []string
	for line := range strings.Lines(string(text)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
			paths = append(paths, path.Join(root, dir, "memory.max"))
			if dir == "/" {
				break
			}
		}
	}
	return paths
}

// memTotal reads the machine's memory from /proc/meminfo, in bytes; 0: not there.
func memTotal(text []byte) int64 {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			return n << 10
		}
	}
	return 0
}
