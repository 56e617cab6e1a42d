// Package fanout is a load on topics and a bus for tests that break the server: it
// publishes and puts through any of several nodes, each message again until it is
// answered, while subscriptions and targets come and go, and then holds what every queue
// has against what was answered:
//
//   - what was answered is in each queue that was subscribed, or a target, since before it
//     was asked for first, and until after it was answered;
//   - queues have nothing of what was asked for after they were taken away;
//   - FIFO queues have the messages of a group in the order in which they were published,
//     each once, however often it was asked for.
package fanout
