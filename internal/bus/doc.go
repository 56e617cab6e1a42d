// Package bus routes events: an event that is put on a bus goes to the targets of all
// rules whose pattern it matches.
//
// # Definitions
//
// Buses and rules stand in the registry; a rule holds its targets. For every bus this
// package keeps the patterns of its rules, compiled and in memory (router): it hears of
// each change from the registry. The bus named default is in every account and region
// without being made.
//
// # The way of an event
//
//	Put -> document     the event as JSON, made once
//	    -> match        all rules of the bus in one pass, where the request arrived
//	    -> alter        Input and InputTransformer: payloads of their own
//	    -> Find         the queues, and whether their policies let the rule send
//	    -> Post         ONE payload of the event for all that get it whole or by a path
//	receive -> Render   the event, or what its InputPath finds in it
//
// An event is durable when Put returns, in all queues on the partition that was posted
// from, and in its outboxes for the others. A post has up to 1,000 targets and as many
// bytes as the log takes at once: an event with more takes several, and when one of
// them fails, the caller is told so though some targets have the event.
//
// A topic gets its message behind that post, before Put returns: the put fails if it
// cannot be published. A bus that is a target has its rules matched too, and what they
// lead to stands in the same post; the event goes on to no third bus.
//
// An API destination (destinations.go) gets the event into its queue in the same post.
// Package delivery takes it from there, and asks Destinations for the endpoint of each
// event (push.go) and for its request (request.go), which is made at each attempt; tokens
// of its connection are this node's own (tokens.go).
//
// # Archives
//
// An archive of the bus is matched in the same pass, and is one place more of the event's
// payload: in a queue of arrivals. Arrivals become chunks of many events in one record
// (pack.go, chunk.go), which go when their time is over (sweep.go). A replay reads chunks
// (cursor.go) and routes their events anew, to all rules or some (replay.go); any node
// carries it out, and another goes on when that dies (replays.go).
//
// # What cannot be delivered
//
// A target that is gone, whose policy does not let the rule send, or that does not take
// the message, is a failed delivery: the event goes to the target's dead-letter queue
// in the same post, with attributes that say why, or else is counted as lost. Nothing
// but pushes is retried: a queue of ours that is there takes the event or the put fails,
// with an error that asks the caller to try again.
package bus
