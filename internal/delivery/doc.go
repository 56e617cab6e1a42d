// Package delivery pushes messages to HTTP endpoints: with retries, within limits, and
// with a log of what was tried.
//
// # Queues
//
// Each endpoint has three queues on one partition, which have the endpoint's number:
//
//	KindDeliveries   what is to be pushed; services post into it as into any queue
//	KindAttempts     what was tried, for a week, the newest only
//	KindUndelivered  what was given up and had no dead-letter queue, likewise
//
// # The way of a message
//
//	taker     a long poll for each partition and node: messages of the next endpoint
//	            that has some, no more than its pace lets
//	resolve   the service whose payload it is says where it goes: Endpoint
//	render    and what the request is: signatures are as new as the attempt
//	push      through package egress, which guards and bounds it
//	outcome   Ack; or Retry as the endpoint's Schedule says; or, when that is used up or
//	            the answer says that trying again is of no use, to the dead-letter queue
//
// Whatever happens to a node, a message stays in its queue until it was delivered or
// stands in another queue. So an endpoint gets each message at least once, and twice
// when a node died, or the answer came too late.
//
// # Limits
//
// A node works on Config.Workers messages at a time and on Config.Bytes of payloads. An
// endpoint gets few of them at first, then up to its concurrency, and fewer again the
// slower it answers. After failures in a row its circuit opens: nothing is taken from
// its queue but one message at a time, after a while that doubles, until one is
// delivered. All of this is a pace of the endpoint's queue, which the partition's owner
// keeps: nodes share it. What is older than its Schedule lasts while the circuit is open
// is given up, as it would have been had it been tried.
//
// # Endpoints that are down for days
//
// Since when nothing has reached an endpoint stands in the registry
// (registry.EndpointHealth), once its circuit has opened. After Config.DisableAfter it
// is disabled: what comes for it is given up at once, until it is enabled again.
package delivery
