// Package sns translates the API of Amazon SNS, version 2010-03-31, into calls of
// package topic: https://docs.aws.amazon.com/sns/latest/api/.
//
// It checks what a request says, in the words of the real service where they are
// known, decides who may do it, and shapes the answer. It keeps no state and starts
// nothing. It is laid out as package sqs: the tables (operations.go, attributes.go,
// subscribed.go for a subscription's attributes), the shapes, the words (errors.go), a
// handler for each operation in the file of what it is about.
//
// # How a request goes
//
//	topic ARN -> account, region, name
//	          -> topic.Find        NotFound
//	          -> access.Authorize  identity policy and topic policy
//	          -> validation        InvalidParameter, ParameterValueInvalid, …
//	          -> topic             definitions, subscriptions, publishing
//
// In a batch for a standard topic each entry fails by itself. For a FIFO topic an entry
// that is not valid refuses the whole batch: those behind it would overtake it.
//
// What works, and what deliberately differs, stands in docs/compatibility.md, which is
// generated from the tables of this package.
package sns
