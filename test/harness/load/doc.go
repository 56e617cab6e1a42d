// Package load is a mixed load for tests that break the server: producers and
// consumers of a standard queue with a dead-letter queue and delays, a FIFO
// queue, and a FIFO queue with a dead-letter queue. Everything is noted in a
// ledger. Some messages are poison: consumers never delete them from their own
// queue, so they have to end in the dead-letter queue.
package load
