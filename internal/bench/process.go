package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// process reads what a process on this machine uses from /proc (Linux only).
type process struct{ pid int }

// clockTick is the unit of CPU times in /proc: 1/100 s on every Linux port that
// Go supports.
const clockTick = 10 * time.Millisecond

// cpu returns the process's user and system time so far.
func (p process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0, fmt.Errorf("cannot read the server's CPU time (is --pid right?): %w", err)
	}
	// The command's name stands in parentheses and may hold anything.
	i := bytes.LastIndexByte(b, ')')
	fields := bytes.Fields(b[i+1:])
	if i < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has an unknown form", p.pid)
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/%d/stat has an unknown form", p.pid)
	}
	return time.Duration(user+system) * clockTick, nil
}

// resident returns the process's resident memory in bytes.
func (p process) resident() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			fields := bytes.Fields(rest)
			if len(fields) == 2 {
				kb, err := strconv.ParseInt(string(fields[0]), 10, 64)
				return kb << 10, err
			}
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", p.pid)
}

// meter measures what a process uses between start and stop.
type meter struct {
	process
	since time.Time
	at    time.Duration
}

func startMeter(pid int) (*meter, error) {
	if pid == 0 {
		return nil, nil
	}
	m := &meter{process: process{pid}, since: time.Now()}
	var err error
	m.at, err = m.cpu()
	return m, err
}

// stop is safe on a nil meter: then there is no usage to report.
func (m *meter) stop() (*Usage, error) {
	if m == nil {
		return nil, nil
	}
	at, err := m.cpu()
	if err != nil {
		return nil, err
	}
	rss, err := m.resident()
	if err != nil {
		return nil, err
	}
	elapsed := time.Since(m.since)
	return &Usage{Cores: float64(at-m.at) / float64(elapsed), ResidentMiB: float64(rss) / (1 << 20)}, nil
}
