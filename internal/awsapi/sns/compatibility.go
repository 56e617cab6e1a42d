package sns

import "github.com/waystation/waystation/internal/awsapi/protocol"

// sections are what docs/compatibility.md has beside the operations.
func (s *service) sections() []protocol.Section {
	head := [3]string{"Attribute", "Status", "Notes"}
	return []protocol.Section{
		{Title: "Topic attributes", Head: head, Rows: s.attributes.Rows()},
		{Title: "Subscription attributes", Head: head, Rows: s.subscribed.Rows()},
		{Title: "Protocols of subscriptions", Head: [3]string{"Protocol", "Status", "Notes"}, Rows: protocols()},
		{Title: "Deliberate differences", Items: differences()},
	}
}

func protocols() []protocol.Row {
	rows := []protocol.Row{
		{Name: "sqs", Note: "Standard and FIFO queues, raw and in an envelope, also of other accounts."},
		{Name: "http, https", Note: "Confirmation, notification and end of a subscription, raw or in a signed envelope; delivery policies, dead-letter queues. Names and passwords in addresses are sent as basic authentication; digest authentication is not there."},
	}
	for _, name := range laterProtocols {
		rows = append(rows, protocol.Row{Name: name, Status: protocol.NotYet, Note: "Refused by Subscribe."})
	}
	return rows
}

// differences lists what deliberately differs from the real service.
func differences() []string {
	return []string{
		"A message is in the queues when Publish is answered (in those on other partitions a moment later); nothing is retried, since our own queues cannot fail in between. What is to be pushed to an HTTP endpoint is in a queue of the endpoint's then.",
		"An HTTP endpoint that fails several times in a row is not tried with every message any more, but with one now and then until one gets through; messages wait meanwhile as long as their delivery policy lasts, and are then given up.",
		"A message that an HTTP endpoint did not take and that has no dead-letter queue is kept for seven days (10,000 for each subscription) and can be delivered by an operator: waystation deliveries.",
		"An HTTP endpoint that nothing reached for five days (flag disable-endpoints-after) is disabled: what is published for it is given up at once until an operator enables it.",
		"The addresses in what is pushed to HTTP endpoints begin with the flag public-url.",
		"UnsubscribeConfirmation is left out for a subscription whose attributes have more than 2 KiB; its token makes the subscription again as it was.",
		"A redirect is no success, and is not followed. Answers are waited for 15 seconds (flag delivery-timeout), until their head is there.",
		"The addresses in notifications begin with the scheme and host by which the consumer receives them, as queue URLs do.",
		"A subscription's id is made of the topic, the protocol and the endpoint: who subscribes again after an Unsubscribe gets the same ARN.",
		"Unsubscribe wants a signed request of the subscription's owner or the topic's, also from the address in a notification.",
		"A topic has up to 10,000 filter policies, and the number of subscriptions is bounded by that of all topics (1,000,000) alone; FIFO topics have up to 100.",
		"Above 1,000 subscriptions a message takes several posts: when one fails, the publisher is told so though some subscribers have it. Up to there all have it or none.",
		"The region of a topic is that of its ARN; the region that a request is signed for need not be the same.",
		"A FIFO topic's sequence numbers are 20 digits that begin at the low end.",
		"Messages may contain the characters that queues may contain; others are refused.",
		"SubscriptionsDeleted is always 0: deleted subscriptions are gone at once.",
		"There are no request quotas per account. A server that is overloaded, or whose disk is full, answers 503, which SDKs retry.",
	}
}
