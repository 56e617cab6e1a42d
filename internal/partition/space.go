package partition

import (
	"context"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
)

// spacePeriod is how often the storage is looked at.
const spacePeriod = 200 * time.Millisecond

// watchSpace refuses sends, and later receives, while the log's storage is nearly
// used up.
func (s *Service) watchSpace(ctx context.Context) {
	tick := time.NewTicker(spacePeriod)
	defer tick.Stop()
	for {
		if sp, err := s.cfg.Conn.Space(ctx); err == nil {
			s.setSpace(sp.Free, s.cfg.reserve(sp.Total))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// setSpace acts on the free space.
func (s *Service) setSpace(free, reserve uint64) {
	level := spaceLevel(s.space.Level(), free, reserve)
	before, news := s.space.Set(level, spaceShare(reserve, int(s.keeper.Count())))
	if !news {
		return
	}
	for _, o := range s.owners() {
		o.SpaceChanged()
	}
	if level == before {
		return
	}
	attrs := []any{"free_mb", free >> 20, "reserve_mb", reserve >> 20}
	switch level {
	case owner.SpaceEnough:
		s.log.Info("there is free space again: messages are taken", attrs...)
	case owner.SpaceShort:
		s.log.Error("the storage is nearly full: sends are refused, receives and deletes go on; free some space", attrs...)
	case owner.SpaceEnd:
		s.log.Error("the storage is full: sends and receives are refused, deletes and purges go on and make room; free some space", attrs...)
	}
}

// spaceLevel says what may be done with so much space. A mark that was crossed
// downward is crossed upward a little later: by a 64th of the reserve, which
// trimming a single block of the log makes up for.
func spaceLevel(before int32, free, reserve uint64) int32 {
	slack := reserve / 64
	short, end := reserve, reserve/2
	if before >= owner.SpaceShort {
		short += slack
	}
	if before >= owner.SpaceEnd {
		end += slack
	}
	switch {
	case free < end:
		return owner.SpaceEnd
	case free < short:
		return owner.SpaceShort
	}
	return owner.SpaceEnough
}

// spaceShare is how many bytes of the reserve one of so many partitions may take by
// writing again what lives, and for garbage while space is short: all of them
// together a quarter of the reserve, or a 64th each where they are many.
func spaceShare(reserve uint64, partitions int) int64 {
	return int64(max(reserve/4/uint64(max(partitions, 1)), reserve/64))
}

// Full reports whether sends are refused because the storage is nearly used up.
func (s *Service) Full() bool { return s.space.Level() != owner.SpaceEnough }

// memoryFor is how much of the process's memory messages may take, beside caches.
// Half of it, since the garbage collector needs room.
func memoryFor(caches int64) int64 {
	total := machineMemory()
	if limit := debug.SetMemoryLimit(-1); limit > 0 && limit < total {
		total = limit
	}
	return max((total-2*caches)/2, total/8)
}

// machineMemory is what the process may use: the limit of its cgroup, or the
// machine's memory; 8 GiB where neither is told.
func machineMemory() int64 {
	list := []int64{
		readNumber("/sys/fs/cgroup/memory.max"),
		readNumber("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
		memTotal(),
	}
	list = slices.DeleteFunc(list, func(n int64) bool { return n <= 0 })
	if len(list) == 0 {
		return 8 << 30
	}
	return slices.Min(list)
}

func readNumber(file string) int64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0 // "max", or larger than any memory
	}
	return n
}

func memTotal() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}
