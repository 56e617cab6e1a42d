// Package partition owns journals: it places queues on partitions, runs their
// state machines and routes every request to the partition's owner.
//
// # What it guarantees
//
// A change that was answered is durable: the answer waits for the append that
// holds it. An answer that changes nothing (an empty receive, counts, the
// delete of a message that is gone) waits for an append as well, which proves
// that this owner still was the owner when it was asked; long polls share one
// such proof a second. Sends of a batch, dead-lettering and moves inside a
// partition are atomic. Messages for a queue on another partition pass through
// an outbox and are taken in exactly once.
//
// # How it works
//
// An owner holds one partition: a map of queue state machines (package queue)
// and one journal (package journal). Under the owner's mutex an operation lets
// time pass for the queue, decides, writes what it decided as facts into the
// journal's gathering batch, and applies it; outside the mutex it waits for the
// batch to be durable. So a thousand callers share one fsync, and the order of
// the log is the order of the changes. When an append fails, the owner is
// closed, its memory dropped, and a new one is made by replaying the log.
//
//	Service ── leases: who should own what; beats; claims; hand-over
//	   │
//	   ├── owner (here) ── queue machines, long polls, due times, move tasks,
//	   │        │          outboxes, rewriting of old appends
//	   │        └── journal ── jet
//	   └── remote ── CBOR over NATS to the owner on another node
//
// # A partition's life on a node
//
//	free ──claim lease──► loading ──fence, replay──► serving ──┬─ handed over ──► free
//	                         ▲                                 │
//	                         └────────── append failed ◄───────┘
//
// Records of the journal are lists of facts, see fact.go; payload.go has the
// stored form of a message. Streams: PREFIX_journal_N; KV: PREFIX_leases;
// subjects: PREFIX.node.RUN and PREFIX.cancel.RUN.
package partition
