// Package linear checks the history of a FIFO queue: whether one order of all
// requests, each somewhere between its call and its answer, explains what the
// clients saw.
//
// Its model is one message group. Visibility timeouts outlast a history, so a
// message that was received stays in flight, and blocks those behind it, until it
// is deleted or released. A request without an answer may have happened or not,
// then or at any later time: its operation has no end, and its step allows both.
package linear
