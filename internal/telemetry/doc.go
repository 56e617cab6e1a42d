// Package telemetry holds what an operator sees of a running server: the
// metrics, in a registry of its own so that several servers fit in a process,
// and the set-up of logging.
//
// The package knows none of the services. They report through the methods of
// Metrics, or are asked at scrape through the functions that app passes in.
//
// Cardinality is bounded: requests by what the APIs can answer (and at most
// maxRequestSeries), queues by the limit given to WatchQueues.
package telemetry
