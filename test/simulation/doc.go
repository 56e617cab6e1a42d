/*
Package simulation runs whole clusters in one process and virtual time, thousands
of times, with everything going wrong that can be named. Registry, leases,
partitions, journals and queues are the real code; jetsim stands in for NATS, the
network and the disks, and each node has a clock of its own.

	go test ./test/simulation                                  50 runs
	go test ./test/simulation -seeds 2000                      as in CI
	go test ./test/simulation -seed 203 -seeds 1 -story -v     one, and what happened in it
	WAYSTATION_SOAK=8h go test ./test/simulation -timeout 0    as many as the time allows

A seed decides the plan (plan.go): how many nodes and partitions, sizes, queues,
load, and which faults may happen how often; then which fault happens when, and
what each client does. What it does not decide is the order in which goroutines
that are ready at the same instant run, so a run is replayed by its seed often, but
not always: run it some times.

After ten minutes of load and faults everything is healed and all queues are
emptied. The book (book.go) holds each answer against docs/guarantees.md, as it
comes and in the end; the history of a FIFO queue is checked for linearizability
(linear.go). That this finds something is shown by mutants, see docs/simulation.md.

Posts to many queues, takes by kind and timers have their load and their books in
post.go.
*/
package simulation
