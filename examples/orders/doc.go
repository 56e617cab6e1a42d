// Package orders is a small shop that works through queues: an order is
// submitted, its stock is set aside, its payment is authorized, and then it is
// fulfilled or refused. It is written to be read by newcomers; README.md tells
// the story.
//
//	Submit ──> [set-aside-stock] ──> warehouse ──> [authorize-payment] ──> payments ──> fulfilled
//	                 │                                   │                      └─────> refused
//	                 └─ after 3 tries ─> [… -dlq]        └─ after 3 tries ─> [… -dlq]
//
// Each payment is announced on an event bus, and a topic behind it tells whoever has
// subscribed (news.go, sender.go).
//
// Queues deliver at least once, and workers crash at bad moments. So each step
// may run twice for one order, and each is idempotent: asking the warehouse or
// the payment provider again for the same order returns the first answer.
package orders
