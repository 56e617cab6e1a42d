// Package state is the memory of one partition: its queues, what is known of
// them, and the facts by which they change. It is pure: no I/O, no clock, no
// goroutine, no registry and no log. Time, ids and terms are passed in, so the
// same code serves live requests, replay, rewriting and a simulation. A State is
// not safe for concurrent use; its owner calls it under one mutex.
//
// # Use
//
// Methods that decide (Post, Receive, Remove, Hide, Advance, …) change memory
// and gather what they decided as facts in the open record. The caller hands
// Record to the log and calls Written with the place that it was given there;
// only then are payloads placed, and what left is released. Between the two
// nothing else may be decided. If the log refuses, memory and log differ and the
// State is of no use any more.
//
// Replay makes the facts of a record true again, without deciding anything.
// Rewrite gathers what still lives of an old record in the open one.
//
// After a change the queues it concerned are touched: the caller takes each by
// NextTouched, advances it, serves those who wait for it, and calls Review, which
// brings due times, ready-sets and the account of memory up to date.
//
// # Words
//
//	place    put a payload into a queue; one payload may stand in several
//	remove   a message leaves its queue for good
//	move     a message leaves one queue for another, its payload stays where it is
//	drop     a queue goes with all that is in it
//	retain, release   only ever said of the log: what must stay in it
//	note     what is kept of a message beside its state: whence it came, and the
//	         reference that its poster gave it
//	parcel   what stands in an outbox: a payload and its places on another partition
//	mark     how far another partition's outbox was taken in
//	stray    a message whose payload's record names another queue
//
// # Records
//
// A record is a list of facts that become true together, see fact.go.
package state
