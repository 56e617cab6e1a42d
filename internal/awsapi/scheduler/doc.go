// Package scheduler translates the API of Amazon EventBridge Scheduler, version
// 2021-06-30, into calls of package scheduler of the services:
// https://docs.aws.amazon.com/scheduler/latest/APIReference/.
//
// It checks what a request says, decides who may do it, and shapes the answer. It keeps
// no state and starts nothing. It is laid out as package events: the table
// (operations.go), the shapes, the words (errors.go), a handler for each operation in
// the file of what it is about.
//
// # How a request goes
//
//	name, group -> constraints       ValidationException: all that is wrong at once
//	            -> access.Authorize  the caller's policy; iam:PassRole on the target's role
//	            -> scheduler         ResourceNotFoundException, ConflictException
//
// Whether the role may call the target is asked when the schedule fires.
//
// What works, and what deliberately differs, stands in docs/compatibility.md, which is
// generated from the tables of this package.
package scheduler
