// Package events translates the API of Amazon EventBridge, version 2015-10-07, into
// calls of package bus: https://docs.aws.amazon.com/eventbridge/latest/APIReference/.
//
// It checks what a request says, in the words of the real service where they are known,
// decides who may do it, and shapes the answer. It keeps no state and starts nothing.
// It is laid out as package sns: the table (operations.go), the shapes, the words
// (errors.go), a handler for each operation in the file of what it is about.
//
// # How a request goes
//
//	bus name or ARN -> account, region, name
//	                -> constraints       ValidationException: all that is wrong at once
//	                -> bus.Find          ResourceNotFoundException
//	                -> access.Authorize  identity policy and the bus's policy
//	                -> bus               definitions, putting events
//
// In PutEvents each entry fails by itself, but what a caller may not do, or the size of
// all entries, refuses the request.
//
// What works, and what deliberately differs, stands in docs/compatibility.md, which is
// generated from the tables of this package.
package events
