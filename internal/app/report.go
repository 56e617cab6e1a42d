package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/telemetry"
)

// state is one of the States.
func (a *App) state() string {
	switch {
	case a.retiring.Load() || a.drain.Err() != nil:
		return StateDraining
	case a.ready.Load():
		return StateReady
	}
	return StateStarting
}

// missing says why requests should not be sent here now; empty: they can be.
//
// At the start every partition has to be served, by whichever node. Later one
// is enough: when a node dies, its partitions are away for a moment on all
// nodes alike, and a load balancer that took all of them out would make it an
// outage of the others too.
func (a *App) missing() string {
	if a.retiring.Load() || a.drain.Err() != nil {
		return "the server is stopping"
	}
	if !a.conn.Connected() {
		return "there is no connection to NATS"
	}
	waits, served := "the partitions are being taken over", 0
	for _, p := range a.partitions.Status() {
		switch {
		case p.Ready:
			served++
		case p.Damaged != "":
			waits = fmt.Sprintf("partition %d cannot be loaded: %s", p.Number, p.Damaged)
		case p.Mine && p.TotalEntries > 0:
			waits = fmt.Sprintf("partition %d is replayed: %d of %d entries", p.Number, p.Entries, p.TotalEntries)
		case p.Mine:
			waits = fmt.Sprintf("partition %d is being loaded", p.Number)
		default:
			waits = fmt.Sprintf("partition %d has no owner that answers", p.Number)
		}
	}
	if a.ready.Load() && served > 0 {
		return ""
	}
	return waits
}

// Status tells how the server is.
func (a *App) Status() Status {
	s := Status{
		Version: Version(), State: a.state(), Node: a.cfg.Node, Roles: a.cfg.roles(),
		Started: a.started.UTC(), Uptime: time.Since(a.started).Seconds(),
		URL: a.URL(), Account: a.cfg.Account, Open: a.access.Open(),
		NATS:       NATSStatus{Embedded: a.embedded(), Connected: a.conn.Connected()},
		Partitions: []PartitionStatus{}, Queues: []QueueStatus{},
		StorageFull: a.partitions.Full(), Defined: a.registry.Count(),
	}
	s.MemoryBytes, s.MemoryLimit, s.MemoryFull = a.partitions.Memory()
	if a.embedded() {
		s.Data = a.cfg.Data
	}
	for _, p := range a.partitions.Status() {
		s.Partitions = append(s.Partitions, partitionStatus(p))
	}
	now := time.Now()
	a.partitions.EachQueue(func(q partition.QueueStats) {
		if len(s.Queues) == maxStatusQueues {
			s.MoreQueues++
			return
		}
		one := QueueStatus{
			Account: q.Queue.Account, Region: q.Queue.Region, Name: q.Queue.Name, Partition: q.Queue.Partition,
			Visible: q.Visible, InFlight: q.InFlight, Delayed: q.Delayed,
		}
		if q.Oldest > 0 {
			one.OldestAge = max(now.Sub(time.UnixMilli(q.Oldest)).Seconds(), 0)
		}
		s.Queues = append(s.Queues, one)
	})
	slices.SortFunc(s.Queues, func(a, b QueueStatus) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region), strings.Compare(a.Name, b.Name))
	})
	return s
}

func partitionStatus(p partition.Status) PartitionStatus {
	s := PartitionStatus{
		Number: p.Number, Owner: p.Owner, Mine: p.Mine, State: "unavailable", Queues: p.Defined,
		LogBytes: p.LogBytes, LiveBytes: p.LiveBytes,
		Messages: p.Messages, MemoryBytes: p.MemoryBytes, Orphans: p.Orphans, Backlog: p.Backlog,
	}
	switch {
	case p.Ready:
		s.State = "ready"
	case p.Damaged != "":
		s.State, s.Damage = "damaged", p.Damaged
	case p.Mine:
		s.State = "replaying"
		s.Replayed, s.ReplayTotal, s.ReplayBytes = p.Entries, p.TotalEntries, p.LoadedBytes
	}
	return s
}

// observe gives a journal the hooks that count its appends.
func (a *App) observe(name string) journal.Observer {
	m := a.metrics.Journal(name)
	return journal.Observer{Appended: m.Appended, Fetched: m.Fetched, Trimmed: m.Trimmed}
}

func (a *App) partitionMetrics() []telemetry.Partition {
	var list []telemetry.Partition
	for _, p := range a.partitions.Status() {
		list = append(list, telemetry.Partition{
			Name: partitionName(p.Number), Owned: p.Mine, Ready: p.Ready, Queues: p.Defined,
			LiveBytes: p.LiveBytes, LogBytes: p.LogBytes, PendingBytes: p.PendingBytes, Waiting: p.Waiting,
			Messages: p.Messages, MemoryBytes: p.MemoryBytes, Orphans: p.Orphans, Backlog: p.Backlog,
		})
	}
	return list
}

func (a *App) queueMetrics(visit func(telemetry.Queue)) {
	a.partitions.EachQueue(func(q partition.QueueStats) {
		t := telemetry.Queue{
			Account: q.Queue.Account, Region: q.Queue.Region, Name: q.Queue.Name,
			Visible: q.Visible, InFlight: q.InFlight, Delayed: q.Delayed, Bytes: q.Bytes,
			Sent: q.Sent, Received: q.Received, Deleted: q.Deleted, DeadLettered: q.DeadLettered,
		}
		if q.Oldest > 0 {
			t.Oldest = time.UnixMilli(q.Oldest)
		}
		visit(t)
	})
}
