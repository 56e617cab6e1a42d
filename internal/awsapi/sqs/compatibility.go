package sqs

import "github.com/waystation/waystation/internal/awsapi/protocol"

// sections are what docs/compatibility.md has beside the operations.
func sections() []protocol.Section {
	head := [3]string{"Attribute", "Status", "Notes"}
	return []protocol.Section{
		{Title: "Queue attributes", Head: head, Rows: queueAttributes(maxMessageBytes).Rows()},
		{Title: "Message system attributes", Head: head, Rows: messageSystemAttributes()},
		{Title: "Deliberate differences", Items: differences()},
	}
}

func messageSystemAttributes() []protocol.Row {
	rows := make([]protocol.Row, len(systemAttributes))
	for i, a := range systemAttributes {
		rows[i] = protocol.Row{Name: a.name, Status: a.status, Note: a.note}
	}
	return rows
}

// differences lists what deliberately differs from the real service, a sentence
// or two each.
func differences() []string {
	return []string{
		"A deleted queue can be created again at once; AWS makes one wait 60 seconds.",
		"Changes of attributes, permissions and tags, and a purge, are in effect when they are answered; AWS asks for up to 60 seconds.",
		"The Approximate… counts are exact.",
		"A receive looks at the whole queue, so a short poll does not miss messages, and messages of a standard queue are " +
			"delivered once unless their visibility timeout ends or the receive was not answered.",
		"Queue URLs are built from the Host of the request (or what a trusted proxy says of it), and accepted with any host: account and name are taken from the " +
			"path, the region from the signature.",
		"The region in a queue's host name does not count; the region signed for does.",
		"FIFO queues have no throughput limit in either mode. FifoThroughputLimit is stored and checked.",
		"FIFO sequence numbers are 20 digits that begin at the low end, not near 1.8 × 10¹⁹.",
		"On FIFO queues a new DelaySeconds counts for messages sent after it; AWS applies it to those already in the queue.",
		"Encryption attributes are stored and answered, nothing is encrypted by them.",
		"ListQueues and ListDeadLetterSourceQueues give a NextToken without MaxResults too, and tokens do not expire.",
		"There are no request quotas per account. A server that is overloaded, or whose disk is full, answers 503 " +
			"ServiceUnavailable, which SDKs retry.",
		"AWSTraceHeader takes any text of a message's characters.",
		"A queue policy with a condition operator or an element that is not known is refused when it is set, with a reason.",
	}
}
