// Package crash breaks the real server on one machine: it is killed under load
// again and again, its files are damaged, and its disk fills up. A ledger of
// what was acknowledged tells whether the promises hold.
//
// WAYSTATION_SEED repeats a run's choices, WAYSTATION_SOAK makes the load last
// for that long.
package crash
