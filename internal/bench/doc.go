// Package bench is the load generator behind "waystation bench". It drives any
// endpoint that speaks the SQS JSON protocol (Waystation, a peer, the real
// service) over real HTTP with signed requests and prints throughput and
// latency percentiles.
//
// # How it measures
//
// Each connection is one goroutine with one keep-alive TCP connection that
// sends a request, reads its answer whole, and sends the next (a closed loop),
// unless a rate is given: then requests have due times, and latency counts from
// the due time, so that a server that stalls does not hide its own stall.
// Latencies go into HDR histograms with three significant digits, one a
// connection, merged at the end. What happens during the warm-up is not counted.
//
// The client usually shares its cores with the server under test, so it is
// kept cheap: requests are written by hand into one buffer, answers are read
// by a small scanner, and SigV4 signatures are computed for each request with a
// cached signing key (checked against the AWS SDK's signer in a test).
//
// Comparisons (Compare, Bare) run both sides in turn within one run, in
// alternating order, and print ratios: absolute figures of shared machines are
// worth little, ratios of neighbouring rounds are.
//
// # Files
//
// command.go holds the flags, scenario.go the table of scenarios, client.go and
// sigv4.go the HTTP client, measure.go the histograms, compare.go the rounds,
// report.go the output, bare.go the bare handler to compare with.
package bench
