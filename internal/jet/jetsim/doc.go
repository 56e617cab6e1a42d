/*
Package jetsim is a cluster in memory: what jet offers, simulated for several
nodes in one process, that can be told to misbehave in every way that jet's
contracts allow and some that only damaged disks do.

A World holds what is stored and how the network is. Each node (one run of one
process) has a Node of its own, which is a jet.Cluster. All time is taken from
package time, so that a World in a bubble of testing/synctest lives in virtual
time; nothing here starts a goroutine that outlives what it was started for, so
that a bubble ends once its nodes have.

What can go wrong is set from outside, at any time:

  - a Node is killed (nothing it does has an effect any more, nobody hears of it;
    what is stored stays), frozen and thawed (what it does waits), slowed down,
    cut off from the store or from another Node;
  - a stream or bucket has no leader for a while, or loses acknowledgements, loses
    requests, or carries them out late, by Odds;
  - watches of a bucket lag behind, deliver only the last of several changes, or
    start over;
  - the disk is full or slow, max_payload is small;
  - an entry of a log is damaged, and repaired later.

Frozen is not stopped: a frozen node's goroutines go on, but nothing gets in or
out, which nobody outside can tell from a process that stands still.

jettest holds a World to the same contracts as NATS.
*/
package jetsim
