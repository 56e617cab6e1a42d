// Package cluster runs two waystation processes on one external NATS process
// and takes owners away: killed, frozen and continued, stopped cleanly; and two
// on a cluster of three, of which it kills one after another. A ledger
// and a linearizability checker tell whether clients could notice more than a
// pause.
//
// WAYSTATION_SEED repeats a run's choices, WAYSTATION_SOAK makes the load last
// for that long.
package cluster
