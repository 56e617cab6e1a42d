// Package owner runs one partition on the node that owns it: operations over the
// partition's state (package state) and its journal, and the work in the
// background.
//
// # What it guarantees
//
// Every change is made in memory and handed to the journal under one mutex, so
// the log has the order in which the changes were made. An answer is given once
// the commit it came with is durable. An answer that changes nothing, and a
// refusal that rests on the state, wait for a commit too (a barrier), which
// proves that no other owner wrote meanwhile; long polls share one such proof a
// second. If an append fails, the owner is done for: it answers nothing more,
// and a new one is made from the log.
//
// # How it is built
//
// An operation is a method with one input and one output, both plain values that
// can be sent to another node: Post, Receive, Remove, Hide, Purge, Count, and so
// on, a file a family. change.go has what they share.
//
// The work in the background has one shape: a method work(ctx) error that blocks
// until ctx ends, and is woken by a channel of capacity 1. Tasks lists it.
//
// # Time
//
// The owner's time starts with the later of the wall clock and the last time in
// the log, and goes on by the monotonic clock: steps of the wall clock change
// nothing. See docs/architecture.md for what a take-over does to it.
package owner
