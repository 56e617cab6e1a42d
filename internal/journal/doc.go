/*
Package journal is the fenced, group-committed log on which queues stand. A Journal has one owner, which
keeps its state in memory, appends every change as a record, and rebuilds the state by replaying the
records. A log is one JetStream stream.

# Guarantees

  - A Commit without error: its record and every one appended before it are durable, and no other writer
    owned the log when they were stored.
  - Order: records are replayed in the order of the Append calls. Of what a journal appended, a later
    replay sees a beginning: everything acknowledged, possibly some more, never a record without those
    before it.
  - One owner: once Claim has returned, no append of a former owner succeeds, and none that was under way
    counts. No clock is part of that.
  - Nothing is skipped: an entry that is torn, altered, missing or of an unknown format ends the replay
    (or the read) with a CorruptError that names it.
  - What was retained and not released can be read.

# Life

	New ─► Claim ─► Run ───────► closed (ctx ended; what was pending is stored)
	         │        └────────► failed (fenced, full, unreachable, corrupt)
	         └─────────────────► failed

A journal that failed is of no use any more: some of what its owner holds in memory may not be in the log.
The owner drops its state and starts over with a new Journal, whose Writer must be a new id.

# Group commit

Append copies a record into the batch that is being gathered. The writer publishes the batch as one append
when none is under way; up to MaxInFlight are under way at once if batches become full meanwhile. Each
append expects the sequence of the one before as the last of the stream, so they succeed in order or not at
all, and the place of a record is known before it is stored. One channel a batch wakes all who wait.

An answer that leaves open whether an append was stored (or says that the last sequence was another) is
settled by looking: the entry with our id is at its place, then it is stored; the place is free, then it is
published again (both attempts expect the same last sequence, so one is stored at most); or another entry
stands there, then the journal is fenced.

# Fencing

Claim stores MaxInFlightLimit fence entries, one after another, each by compare-and-set, and replays
everything up to the last. One entry would not do: if a fence takes the place of the first of several
appends that the former owner has under way, then the second one finds the last sequence it expects, and is
stored after the fence. A replay knows such entries, because their writer is not the one of the latest fence,
and passes over them (Stats.StaleEntries). After MaxInFlightLimit fence entries none can arrive any more: an
owner's appends under way expect at most that many sequences from the last one it knows to be stored.

A claim may end before its last fence. Then what is stored after its first fence does not count either, and
the next claim's first fence says how many such entries stand right before it: once the former fence is
trimmed, and a removal was cut short there, nothing else would tell them from others.

# Format

Little endian. An entry of the stream (an append) is a header and records.

	 0  3  "WSJ"
	 3  1  format version, 1
	 4  1  flags that a reader must know: 1 = fence
	 5  1  flags that a reader may ignore, 0
	 6  2  length of the header: where the first record starts
	 8  4  CRC-32C of all bytes but these four
	12  4  length of the entry
	16  8  number of the append among its writer's, from 0; they follow one another
	24  4  number of records
	28  4  of a writer's first fence: how many entries right before it do not count; else 0
	32  1  length of the writer's id, 1 to 64
	33  …  the writer's id

A record is its length as an unsigned varint, and its body. The stream keeps the id "writer/number" beside
the entry. A later release may lengthen the header, and use the ignorable flags: this
release reads over them. What this release must not misread gets a flag of the first kind or a new version;
the places of magic, version, checksum and length stay, so that it is told from damage and refused by name.
The records' own format is the owner's matter.

# Trimming

Retain and Release count for each append what lives in it. The prefix without anything live is removed in
the background, never the last append, and not before everything appended up to a moment after the Release
is durable: append the fact by which an item dies, then release it. The log is never cut right before an
entry that does not count (see Fencing): what tells so would be gone. When garbage outweighs what lives,
Rewrite says so, and the owner appends again what lives in the Oldest appends. While space is
scarce (SpaceShort) that is asked for earlier, in step with the trimming.

# Locks

Journal.mu, then cache.mu or ring.mu; reads.mu, then ring.mu. Neither the log nor a hook or callback is
called with one held.
*/
package journal
