package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/waystation/waystation/internal/partition"
)

var memoryColumns = []string{"MiB resident", "MiB after GC"}

// memory fills a queue, reports the resident memory, and has a process of its
// own replay the log.
func memory(ctx context.Context, o options, r *report) error {
	n, err := openTemp(ctx, o)
	if err != nil {
		return err
	}
	n.remove = false
	dir := n.dir
	defer os.RemoveAll(dir)
	q, err := n.queue(ctx, "million", false)
	if err != nil {
		n.close()
		return err
	}
	empty, err := collected()
	if err != nil {
		n.close()
		return err
	}
	began := time.Now()
	if err := n.send(ctx, q, newSender(o.body()), 64, o.deep, 10, nil); err != nil {
		n.close()
		return err
	}
	took := time.Since(began)
	used, err := resident()
	if err != nil {
		n.close()
		return err
	}
	after, err := collected()
	if err != nil {
		n.close()
		return err
	}
	r.add("memory", "nothing waiting", memoryColumns[1:], empty)
	r.add("memory", fmt.Sprintf("%d waiting, after %.1f s of sends", o.deep, took.Seconds()), memoryColumns, used, after)
	if err := n.close(); err != nil {
		return err
	}

	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"-data", dir}
	if o.json {
		args = append(args, "-json")
	}
	cmd := exec.CommandContext(ctx, self, append(args, "replay")...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// replay opens a folder with data and reports how long that took.
func replay(ctx context.Context, o options, r *report) error {
	if o.keep == "" {
		return fmt.Errorf("give the folder with -data")
	}
	size := logSize(o.keep)
	n, err := open(ctx, o.keep)
	if err != nil {
		return err
	}
	defer n.close()
	messages := 0
	n.EachQueue(func(q partition.QueueStats) { messages += q.Visible + q.InFlight + q.Delayed })
	used, err := resident()
	if err != nil {
		return err
	}
	after, err := collected()
	if err != nil {
		return err
	}
	r.add("replay", fmt.Sprintf("%d messages, %.0f MiB of log", messages, size),
		append([]string{"s until ready", "MiB/s"}, memoryColumns...),
		n.loading.Seconds(), size/n.loading.Seconds(), used, after)
	return nil
}

// collected is the resident memory after a garbage collection that gives back
// to the system what it can.
func collected() (float64, error) {
	debug.FreeOSMemory()
	return resident()
}

// resident is VmRSS in MiB.
func resident() (float64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(b, []byte("VmRSS:"))
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, fmt.Errorf("no VmRSS in /proc/self/status")
	}
	kb, err := strconv.ParseFloat(string(fields[0]), 64)
	return kb / 1024, err
}

// logSize is the size of all files below dir, in MiB.
func logSize(dir string) float64 {
	total := int64(0)
	filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil {
			return nil // what is gone meanwhile does not count
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return float64(total) / (1 << 20)
}
