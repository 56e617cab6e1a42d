package scheduler

import (
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/scheduler"
)

// sections are what docs/compatibility.md has beside the operations.
func sections() []protocol.Section {
	rows := []protocol.Row{
		{Name: "SQS queues", Note: "Standard and FIFO, also of other accounts. FIFO queues need SqsParameters.MessageGroupId, but no ContentBasedDeduplication."},
		{Name: "SNS topics", Note: "FIFO topics by a universal target, which has a MessageGroupId."},
		{Name: "Event buses", Note: "Input is the detail; EventBridgeParameters.Source is a text, not a path."},
	}
	for _, call := range scheduler.Calls {
		rows = append(rows, protocol.Row{Name: scheduler.CallPrefix + call})
	}
	for _, kind := range laterTargets {
		rows = append(rows, protocol.Row{Name: kind.name, Status: protocol.NotYet, Note: "Refused when a schedule is made."})
	}
	return []protocol.Section{
		{Title: "Targets of schedules", Head: [3]string{"Target", "Status", "Notes"}, Rows: rows},
		{Title: "Deliberate differences", Items: differences()},
	}
}

// differences lists what deliberately differs from the real service.
func differences() []string {
	return []string{
		"A schedule fires at the very moment it falls due, not somewhere within the minute, and exactly once into queues, standard topics and buses whose targets lie on up to 1,000 queues. A FIFO topic, a bus of which a rule has a topic as target, and what has more targets, is published to first: a node that dies right then publishes again, to FIFO topics with the same deduplication id.",
		"What fell due while the server was down is fired by the rule of `schedule-catch-up`, see docs/operations.md.",
		"A message for a FIFO queue has a deduplication id that is made of the schedule and its time, so that two firings with the same text are two messages.",
		"A schedule of at(...) whose time is over for at most five minutes when it is made fires at once; an older one never does.",
		"A rate without StartDate fires first when it is made, and counts from there, also through updates that leave expression, zone and StartDate as they are.",
		"An update does not lose a time that fell due already, unless it changes the expression, the zone or the StartDate.",
		"RoleArn: the role must be of the schedule's account, and the caller needs iam:PassRole. When it fires, a role of the keys file that lets scheduler.amazonaws.com assume it decides by its policy; without one, the policy of the target has to let scheduler.amazonaws.com in (aws:SourceArn is the schedule's, aws:SourceAccount its account).",
		"A target that does not exist or does not let the schedule in is tried again; what it will never take (a message that is too large, a call that is not valid) goes to the dead-letter queue at once. Attempts are 2 s apart, then twice as much each time, up to 5 minutes, less up to a quarter by chance. An engine that is not available is no attempt.",
		"A dead letter has the target's input as its body and the target's own Arn as TARGET_ARN.",
		"What is tried again goes on when its schedule is updated or deleted.",
		"Universal targets know the parameters of their calls that stand in the API references, but no MessageStructure; others are refused when the schedule is made.",
		"A group that is deleted is DELETING for about ten seconds. The group named default has no dates before it has a schedule.",
		"ListSchedules lists in an order that means nothing; a page can have fewer than MaxResults, or none, and a NextToken.",
		"A list with NamePrefix or State reads up to 5,000 schedules for a page.",
		"A ClientToken of CreateSchedule and UpdateSchedule counts as long as the schedule is what its request made of it.",
		"There are no request quotas per account. A server that is overloaded, or whose disk is full, answers 503, which SDKs retry.",
	}
}
