/*
Package registry keeps the definitions of all resources: queues today, topics,
rules, functions and the rest in the same way. Every node holds all of them in
memory, answers from there, and changes them by compare-and-set.

# The log

Definitions stand in one log that all nodes write, PREFIX_registry. An entry holds
the changes that one node had waiting: group commit, with one fsync for all. An
entry is only stored if it is the next one after what its writer knew, so that the
writer has judged by everything that was ever acknowledged; else it reads what came
in between and judges anew. The number of an entry is its revision; a definition has
that of the entry which wrote it.

Reading the log from its start gives the same state on every node. The entries form
a chain (each names the checksum of the one before and counts up), every definition
has a checksum of its own, and the newest entry says from where on the log must be
whole. So a flipped byte, a missing piece at the start or in the middle, and an
entry of another history are seen when they are read.

What is cut off at the end cannot be seen in the log. How far it reaches is noted
in a bucket, PREFIX_marks, at the latest 50 ms after each change; and the journals of
the partitions name the revisions of their queues' definitions (Require).

What is damaged is refused: Run ends with *DamageError or *BehindError, whose text
says what an operator does. Nothing is deleted, trimmed or written over meanwhile.
Repair makes a new start from what the log and the journals still hold.

# Absence

Memory that shows a revision shows all changes up to it. What is missing then, and
had been written by then, was deleted; IDs are never used again. This is what Gone
and Require are about. "Not in memory" by itself says nothing: this node may lag.

A name that memory does not know is looked for in the log before it is said not to
exist (Find): one read, shared by all who miss something at that moment.

# Other nodes' changes

A node reads what is new when it hears of a higher mark, when a request names a
revision that it does not have, when it loses against another node's entry, when a
name is missing, and every Config.Refresh. Nothing relies on how quickly it hears.

# Size

The log is written anew, a part at a time, when it holds more than twice as many
items as there are definitions (see compact.go). A queue takes about 100 bytes there
and some 350 in memory.

# Adding a kind

See Kind. ARNs of all kinds are in arn.go.
*/
package registry
