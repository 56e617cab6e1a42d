// Package ledger is the memory of a test that breaks the server: it notes what
// was asked, what was acknowledged and what was delivered, and says where that
// contradicts the promises:
//
//   - an acknowledged send is delivered until it is deleted (never lost);
//   - an acknowledged delete with a handle that was current is final;
//   - receive counts of a message rise with every delivery of a queue;
//   - a FIFO group is delivered in the order of its sends, each message only
//     when those before it are deleted or dead;
//   - a delayed message is not delivered early;
//   - a message is delivered from its own queue or its dead-letter queue, with
//     its own body, and at most maxReceiveCount times from the former.
//
// What is unknown (a request without an answer) may have happened or not.
package ledger
