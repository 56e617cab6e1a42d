// Package partition places queues on partitions and routes every request to the
// owner of its queue's partition, here or on another node.
//
// # What it guarantees
//
// A change that was answered is durable. Sends of a batch, posts to several
// queues, dead-lettering and moves inside a partition are atomic. Messages for a
// queue on another partition pass through an outbox and are taken in exactly once,
// in order. See package owner for how, and docs/guarantees.md.
//
// # The rooms, each of which knows only those below it
//
//	partition ── placement, routing, other nodes, status; the words of SQS:
//	   │         messages, receipt handles
//	   ├── lease ── who should own what (a package beside this one)
//	   └── owner ── operations over the state and journal of one partition, and
//	        │       the work in the background
//	        ├── state ── facts, and how they change the queues: pure
//	        │     └── queue ── the state machine of one queue
//	        └── journal ── the log
//
// # Operations
//
// An operation is a method of owner.Owner with one input and one output. The
// table in operations.go gives it a number on the way between nodes, and there is
// no other place to touch.
//
// # A partition's life on a node
//
//	free ──claim lease──► loading ──fence, replay──► serving ──┬─ handed over ──► free
//	                         ▲                                 │
//	                         └────────── append failed ◄───────┘
//
// Streams: PREFIX_journal_N; bucket: PREFIX_leases; subjects: PREFIX.node.RUN,
// PREFIX.cancel.RUN and PREFIX.alive.RUN.
package partition
