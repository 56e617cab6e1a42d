// Package sqs translates the API of Amazon SQS, version 2012-11-05, into calls
// of the registry (what queues there are) and of the partitions (what is in
// them): https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/.
//
// It checks what a request says, word for word as the real service does where
// its words are known, decides who may do it, and shapes the answer. It keeps
// no state and starts nothing.
//
// # How it is laid out, a pattern for other services
//
//   - the tables: operations.go (what there is), attributes.go (a queue's
//     attributes), receive.go (a message's); compatibility.go makes documents of them
//   - the shapes: shapes.go, inputs and outputs as the API's model has them
//   - the words: errors.go, in which clients are told; what is shared with other
//     services (batch, attribute, resource, page, access) says what is wrong, and
//     this package says it in the words of SQS
//   - the logic: a handler for each operation, in the file of what it is about
//     (queues, send, receive, receipts, move, policy, tags)
//   - what it stands on: config.go, as interfaces with their contracts
//
// # How a request goes
//
//	queue URL -> account, name     (any host; the region is the signature's)
//	          -> registry          QueueDoesNotExist
//	          -> access.Authorize  identity policy and queue policy
//	          -> validation        InvalidParameterValue, MissingParameter, …
//	          -> partition         sends, receives, deletes, moves
//
// In a batch on a standard queue each entry fails by itself. On a FIFO queue an
// entry that is not valid refuses the whole batch, as AWS does: the entries
// behind it would otherwise overtake it.
//
// # Errors
//
// Every error has two names: the shape name of the JSON protocol
// (QueueDoesNotExist) and the code of the Query protocol
// (AWS.SimpleQueueService.NonExistentQueue); errors.go has the table. What
// passes by itself (a partition changing its owner, a full disk, too many
// requests waiting) is answered with 503, which SDKs retry.
//
// What works, and what deliberately differs, stands in docs/compatibility.md,
// which is generated from the tables of this package (operations.go,
// attributes.go, compatibility.go).
package sqs
