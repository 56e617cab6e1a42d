// Package lease decides which node should own which partition, and has it
// served there.
//
// Who should own a partition is not who does: the fence in the partition's
// journal lets only one node write, whatever goes wrong here. Two nodes that
// both think that a lease is theirs cost availability for a moment, never a
// message.
//
// # The bucket
//
// A bucket of keys is shared by all nodes, and each watches it whole:
//
//	node.NAME      beat: the node's present run, written again every TTL/4
//	partition.N    lease: the node and run that owns it, or released
//	count          how many partitions there are
//
// # Rules
//
// A partition is free when its lease is missing or released, when its node has
// been silent for the lease time, or when its node runs anew. Silence is
// measured by the watcher's own monotonic clock from the moment it saw the
// last beat; clocks of different machines are never compared. The clock stands
// still while the watcher does not see its own beats come back: then the bucket
// has no leader, or the watch is broken, and silence says nothing. Two nodes that
// claim at once are told apart by compare-and-set on the lease.
//
// Each node takes its share of the partitions: their number by the number of
// nodes that live, rounded up. One that has more gives one up at a time.
//
// A node's name belongs to one run. A run that starts asks the former run of its
// name whether it lives: nobody there, then the name and its partitions are
// taken back at once; an answer, or one more beat, then the newcomer is refused.
// Beats are a chain of compare-and-sets, so that a run which was replaced while
// it was frozen finds out with its next beat, and goes.
//
// A partition that cannot be loaded (ErrDamaged) stops alone: its lease is
// released with the reason, and the runs that have tried. Each other run tries
// once, beyond its share if need be, since with several servers another copy may be
// whole; a run that starts later tries again, as after a repair.
//
// # Life of a partition on a node
//
//	free ──claim──► claimed ──serve──► ready ──┬─ given up, stopped ──► released
//	                   ▲                │      └─ lost to another  ──► stopped
//	                   └──── failed ◄───┘
//	                                    damaged ──► released, with the reason
//
// Beats have a goroutine of their own, and each partition is served and stopped
// in its own, so that one which takes long holds up neither the beats nor the
// others.
//
// # Cost
//
// A beat is one small durable write every TTL/4 a node. A change wakes those who
// wait for that partition, nobody else.
package lease
