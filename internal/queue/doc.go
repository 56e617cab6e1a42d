// Package queue is the state machine of one queue, standard or FIFO: which
// message may be received next, which are hidden and until when, which have to
// go to the dead-letter queue, and which sends are duplicates.
//
// It is pure. It does no I/O, reads no clock and starts no goroutine: every
// call that depends on time is given it, and what has to happen outside (dead
// letters to move, payloads to let go) is returned as a value. A Machine is not
// safe for concurrent use; its owner calls it under one mutex.
//
// # Use
//
// Before any other call with a time, the owner calls Advance with that time and
// repeats it while Changes.More is set. Advance makes delayed messages visible,
// brings back those whose visibility timeout ran out, and reports what expired.
// Next says when Advance will have work again, Available whether a long poll
// should be woken.
//
// # Facts and decisions
//
// Receive, ChangeVisibility, Delete and Advance decide. What they decided is
// written to a journal as facts, and Insert, ApplyReceive, ApplyVisibility,
// ApplyAttempt, Remember and Remove repeat facts without deciding again.
// Replaying the facts gives the same messages in the same state; on a standard
// queue their order of service may differ. Facts about messages that are not
// there are ignored. Advance need not be called between facts.
//
// # States of a message
//
//	         Insert                      Insert, VisibleAt in the future
//	           |                               |
//	           v          delay over           v
//	+------ visible <----------------------- delayed
//	|        |   ^
//	| Receive|   | visibility timeout over, or changed to 0
//	|        v   |
//	|      in flight --- same, with Receives >= MaxReceives ---> dead
//	|          |
//	+----------+---> gone: Delete, Remove, Empty, retention over
//
// # Order
//
// A standard queue serves its message groups in turn, one message each, so that
// a group with a long backlog does not hold up the others; messages without a
// group form one group. A returned message goes to the end of its group's line.
//
// A FIFO queue keeps each group in the order of keys. A message that is in flight
// or delayed blocks those behind it in its group, not those before it: a message
// is received only if every message before it in its group is gone, or comes
// before it in the same receive. One receive takes as many messages of a group as
// it can, then goes on to the next open group. A group that opens gets the last
// turn.
//
// # Cost
//
// A message takes about 103 bytes whatever its size (at most 115, tested), held in
// chunks without pointers, so the garbage collector has nothing to scan; one that
// stays behind when the 15 sent with it are gone takes up to 190. A group
// takes about 60 bytes and its name, a remembered deduplication id about 78 bytes,
// an attempt about 90, a queue that holds nothing less than 1 KiB. Time is O(1), or O(log n) where timers are
// set out of order; it does not depend on the backlog or on blocked groups.
// Memory is given back as a backlog drains.
//
// AWS documentation followed: Amazon SQS Developer Guide ("visibility timeout",
// "FIFO queue delivery logic", "fair queues", "dead-letter queues") and API
// Reference (ReceiveMessage, ChangeMessageVisibility, DeleteMessage).
package queue
