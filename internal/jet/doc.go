// Package jet is the only one that knows NATS: an embedded server or a
// connection to an external one, streams, key-value buckets and requests.
package jet
