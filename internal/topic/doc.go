// Package topic publishes messages to the subscribers of topics.
//
// # Definitions
//
// Topics and subscriptions stand in the registry. For every topic this package keeps
// what a publish needs of its subscriptions, compiled and in memory (fanout): it hears
// of each change from the registry. A subscription's id is made of its topic's
// incarnation, protocol and endpoint, so that nodes on which the same is subscribed at
// once agree on one.
//
// # The way of a message
//
//	Publish -> match        filter policies, once, where the request arrived
//	        -> route        the queues, and whether their policies let the topic send
//	        -> Post         ONE payload, a target for each queue: a record of the journal
//	receive -> Envelopes    the notification as JSON, signed; or the raw message
//
// What is published is durable when Publish returns, in all queues on the partition
// that was posted from, and in its outboxes for the others. The payload is there once,
// whatever the number of queues; each target has a reference to its subscription. A
// post has up to 1,000 targets: a topic with more subscriptions takes several, and
// when one of them fails, the publisher is told so though some subscribers have the
// message.
//
// # What cannot be delivered
//
// A queue that is gone, or whose policy does not let the topic send, is a failed
// delivery: the message goes to the subscription's dead-letter queue, in the same
// post, or else is counted as lost. Nothing is retried: a queue of ours that is there
// takes the message or the whole publish fails, with an error that asks the publisher
// to try again.
//
// # FIFO
//
// A FIFO topic has a ledger on its own partition, a queue of kind
// partition.KindLedger, which is the first target of each post: it remembers the
// deduplication id for five minutes and numbers what is published. A duplicate is
// placed nowhere, in the same record. All posts come from that partition, so queues
// get them in the order of their numbers, through outboxes too.
//
// # Signatures
//
// Notifications are signed when they are received, once for all subscribers of a node,
// since a signature takes longer than all else together. The key is kept in the
// registry: all nodes sign with the same, before and after a restart.
package topic
