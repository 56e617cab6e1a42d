package events

import "github.com/waystation/waystation/internal/awsapi/protocol"

// sections are what docs/compatibility.md has beside the operations.
func sections() []protocol.Section {
	rows := []protocol.Row{
		{Name: "SQS queues", Note: "Standard and FIFO, also of other accounts. FIFO queues need SqsParameters.MessageGroupId and ContentBasedDeduplication."},
		{Name: "SNS topics", Note: "Standard ones, also of other accounts."},
		{Name: "Event buses", Note: "Also of other accounts and regions of the server. The event keeps its id; no Input, InputPath or InputTransformer. A rule of that bus leads on to queues and topics, not to a third bus."},
		{Name: "API destinations", Note: "Of the rule's account, with a connection by BASIC, API_KEY or OAUTH_CLIENT_CREDENTIALS. A target by HTTP with signatures of Standard Webhooks is one whose connection has an API key named webhook-signature with the value whsec_…."},
	}
	for _, kind := range laterTargets {
		rows = append(rows, protocol.Row{Name: kind.name, Status: protocol.NotYet, Note: "Refused by PutTargets."})
	}
	return []protocol.Section{
		{Title: "Targets of rules", Head: [3]string{"Target", "Status", "Notes"}, Rows: rows},
		{Title: "Deliberate differences", Items: differences()},
	}
}

// differences lists what deliberately differs from the real service.
func differences() []string {
	return []string{
		"An event is in the queues when PutEvents is answered, and published to the topics (in queues on other partitions a moment later); nothing is retried, since our own queues and topics cannot fail in between. Only API destinations have retries.",
		"What cannot be delivered goes to the target's dead-letter queue as the event, with ERROR_CODE, ERROR_MESSAGE, RETRY_ATTEMPTS, RULE_ARN and TARGET_ARN: NO_RESOURCE, NO_PERMISSIONS, INVALID_PARAMETER (a FIFO queue without ContentBasedDeduplication, a message that is larger than the queue takes) or RESOURCE_LIMIT_EXCEEDED. EXHAUSTED_RETRY_CONDITION is there of API destinations only, which also have ERROR_FROM_TARGET, THROTTLING, TIMEOUT and CONNECTION_FAILURE.",
		"An event waits for an API destination as it is: the target's Input, HttpParameters, RetryPolicy and DeadLetterConfig count as they are when it is pushed. If the target or its rule is removed meanwhile, it is kept for a week among what is undelivered; if the API destination is deleted, it goes to the dead-letter queue.",
		"What an API destination did not take and no dead-letter queue does is kept for a week (waystation deliveries); one that fails for days is disabled.",
		"An API destination may be http://, and is reached as the server's egress-allow and egress-deny say. GET, HEAD and OPTIONS requests have no body. BodyParameters of a connection are added to bodies that are JSON objects.",
		"Of the answers of an API destination 401, 407, 409, 429 and 5xx are tried again; so is one that cannot be reached, its name not found included. Retry-After is heeded with 429 and 503, up to 15 minutes; a negative one is passed over. Which ERROR_CODE stands for which status is not documented: here 401, 403 and 407 are NO_PERMISSIONS, 429 THROTTLING, others ERROR_FROM_TARGET.",
		"A rule with a schedule fires at the very moment, to the second; a rate counts from when the rule is made, enabled or gets another schedule, and fires first one period later. What fell due while the server was down goes by schedule-catch-up. Its events are put on no bus: only the rule's targets get them.",
		"What happens in the server is an event on the default bus, of sources that begin with waystation.; nobody else puts such events.",
		"A token is asked for as RFC 6749 has it: the client in the Authorization header, unless OAuthHttpParameters.BodyParameters has a client_secret; grant_type is client_credentials unless they say otherwise; JSON if their Content-Type says so. Each node has a token of its own.",
		"A connection is deauthorized when its credentials are refused for good: by the authorization endpoint (4xx), or with BASIC and API_KEY by an API destination (401, 407). An authorization endpoint that does not answer does that only to a connection that is new or changed. CREATING, UPDATING, DELETING and DEAUTHORIZING are passed through at once.",
		"Secrets of connections stand in the registry, in clear, as the server's other keys do, and are never answered; SecretArn is a name only.",
		"An entry of PutEvents for a bus that does not exist fails; it is not dropped silently. When all entries fail because the server cannot store them, the request fails with 503, which SDKs retry.",
		"An InputPath that finds nothing gives null. A variable of an InputTransformer that finds nothing is nothing within a string and null elsewhere.",
		"Within a string, an InputTransformer writes the text of a string escaped as in JSON, so that the string stays one.",
		"Paths are $, .name, ['name'], [index] and [*].",
		"A placeholder of a template that is no variable is refused by PutTargets, and so is a template that is neither JSON nor strings.",
		"The targets of one event make up to 16 MiB of it in all, and their paths go over it until that is 256 MiB; an event whose rules have more than 1,000 targets takes several posts: when one fails, the caller is told so though some targets have it.",
		"A bus has 300 rules unless the server's max-rules-per-bus says otherwise; buses are bounded by that of all accounts (100,000) alone.",
		"Archives are ENABLED at once, and 100 of an account in a region. EventCount and SizeBytes are current, but for events whose time is over: those count for up to an hour. An archive makes no rule that ListRules shows; a bus with archives is not deleted.",
		"A replay goes to the events that were archived before it began, about in the order of their times, as fast as the targets take them; EventEndTime is included. FilterArns names up to 300 rules. A replay whose archive or bus is deleted is FAILED. Replays are kept for 90 days after their end.",
		"RoleArn of rules and targets is stored and answered. The policy of the queue or topic decides, for events.amazonaws.com with aws:SourceArn and aws:SourceAccount of the rule; that of an event bus for the root of the rule's account, with events:source and events:detail-type too.",
		"Force of DeleteRule and RemoveTargets means nothing: no rule is managed.",
		"There are no request quotas per account. A server that is overloaded, or whose disk is full, answers 503, which SDKs retry.",
	}
}
