package sqs

import "github.com/waystation/waystation/internal/awsapi/protocol"

// operations is the table of the API. Those that a queue's policy can give to
// others are reached by unsigned requests too: the policy decides.
func (s *service) operations() []protocol.Operation {
	anyone := protocol.AllowAnonymous()
	note := protocol.WithNote
	return []protocol.Operation{
		protocol.Op("AddPermission", s.addPermission),
		protocol.Op("CancelMessageMoveTask", s.cancelMove),
		protocol.Op("ChangeMessageVisibility", s.changeVisibility, anyone,
			note("At most 12 hours in total from the receive.")),
		protocol.Op("ChangeMessageVisibilityBatch", s.changeVisibilityBatch, anyone),
		protocol.Op("CreateQueue", s.createQueue, protocol.RootOnly(),
			note("A deleted queue can be made again at once: there are no 60 seconds to wait.")),
		protocol.Op("DeleteMessage", s.deleteMessage, anyone),
		protocol.Op("DeleteMessageBatch", s.deleteBatch, anyone),
		protocol.Op("DeleteQueue", s.deleteQueue),
		protocol.Op("GetQueueAttributes", s.getAttributes, anyone),
		protocol.Op("GetQueueUrl", s.getQueueURL, anyone),
		protocol.Op("ListDeadLetterSourceQueues", s.listSources, anyone),
		protocol.Op("ListMessageMoveTasks", s.listMoves),
		protocol.Op("ListQueues", s.listQueues, protocol.RootOnly(),
			note("NextToken is given without MaxResults too, when there are more than 1,000 queues.")),
		protocol.Op("ListQueueTags", s.listTags),
		protocol.Op("PurgeQueue", s.purgeQueue, anyone,
			note("Takes effect before it answers.")),
		protocol.Op("ReceiveMessage", s.receiveMessage, anyone,
			note("Looks at the whole queue: an empty answer means that nothing was there to receive.")),
		protocol.Op("RemovePermission", s.removePermission),
		protocol.Op("SendMessage", s.sendMessage, anyone),
		protocol.Op("SendMessageBatch", s.sendBatch, anyone),
		protocol.Op("SetQueueAttributes", s.setAttributes,
			note("In effect when it answers: no 60 seconds to wait.")),
		protocol.Op("StartMessageMoveTask", s.startMove,
			note("For FIFO dead-letter queues too.")),
		protocol.Op("TagQueue", s.tagQueue),
		protocol.Op("UntagQueue", s.untagQueue),
	}
}
