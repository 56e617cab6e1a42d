// Package demo is "waystation demo": it starts a server in a temporary folder,
// lets the shop of examples/orders work through its queues with the AWS SDK for
// Go, and checks the shop's balance at the end.
//
// What happens: the orders are submitted; workers set their stock aside and
// authorize their payments; some attempts fail and come back by the visibility
// timeout; some orders cannot be handled and end in the dead-letter queues; the
// operator repairs the cause and redrives them. Payments are announced on a bus, and a topic
// behind it tells senders, of which one subscribes in the middle. With --kill the server is a
// process of its own and is killed (SIGKILL) in the middle. The balance must
// hold in any case: submitted = fulfilled + refused, none lost, none charged
// twice.
//
// command.go holds the flags and the order of events, server.go the server,
// tally.go what is counted, progress.go and summary.go what is printed.
package demo
