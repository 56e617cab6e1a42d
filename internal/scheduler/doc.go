// Package scheduler does things later: a schedule says what is to be sent where, and
// when (package schedule reads that).
//
// # Where schedules are
//
// A schedule is one named message in a queue of partition.KindSchedules. Its payload is
// the whole definition with the time for which it fires next, and it becomes visible
// when that falls due: a million schedules that wait cost what a million messages do,
// and nothing runs for them. One that is disabled, or has no time any more, waits at the
// end of time. Groups are definitions in the registry. A group has a queue on each of
// the partitions there were when it was made; the hash of a schedule's name says which
// is its own.
//
// # The way of a firing
//
//	Take      whichever schedules fell due, on any node
//	  -> decide    which of the times that passed is fired (catch-up), and which is next
//	  -> plan      what the target is to get, and whether the role may send it
//	  -> PostIf    the schedule is still the one that was taken: what the target gets,
//	               and the schedule at its next time, in one record
//
// So it happens once, whoever dies in between: before the record nothing was done, and
// the schedule is taken again; after it, it waits for its next time. An update or a
// deletion that comes first fails the condition, and nothing is fired.
//
// What the target gets lies in queues of the record's partition then, and in the
// outboxes to others. A FIFO topic numbers its messages on a partition of its own: it is
// published to first, with a deduplication id that the firing has whoever tries it. So
// is a topic or an event whose targets do not fit one record.
//
// # What cannot be delivered
//
// A target that is gone or refuses is tried again, as the schedule's retry policy says:
// a named message of partition.KindFirings, beside the schedule and in the same record,
// which does not hold up the schedule's next times. What has been tried too often, is
// too old, or never can be taken goes to the dead-letter queue with attributes that say
// why, or is counted as lost. An engine that does not answer is no attempt: the schedule
// is taken again, and again.
//
// # Groups that are deleted
//
// A group is marked as being deleted; its queues are dropped at once, and once more when
// no request can be under way that did not know; then its definition is. All of it is
// done again by whoever finds it half done. A schedule that is found without its group
// is dropped with its queue.
package scheduler
