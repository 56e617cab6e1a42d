package events

import "github.com/waystation/waystation/internal/awsapi/protocol"

// Why operations are not there yet.
const (
	noPartners  = "Needs partner event sources, which come later."
	noEndpoints = "Needs buses in several regions, which come later."
)

// otherTargets are the parameters of targets that are refused anyway.
var otherTargets = []string{
	"Targets.KinesisParameters", "Targets.RunCommandParameters", "Targets.EcsParameters", "Targets.BatchParameters",
	"Targets.RedshiftDataParameters", "Targets.SageMakerPipelineParameters", "Targets.AppSyncParameters",
}

// operations is the table of the API.
func (s *service) operations() []protocol.Operation {
	missing := protocol.Missing
	return []protocol.Operation{
		missing("ActivateEventSource", noPartners),
		protocol.Op("CancelReplay", s.cancelReplay),
		protocol.Op("CreateApiDestination", s.createAPIDestination, protocol.WithNote("http:// as well as https://.")),
		protocol.Op("CreateArchive", s.createArchive, protocol.PartlyWorks("KmsKeyIdentifier is stored and answered; nothing is encrypted with the key."),
			protocol.Without("Archives are ENABLED at once.", "StateReason")),
		protocol.Op("CreateConnection", s.createConnection,
			protocol.PartlyWorks("InvocationConnectivityParameters and ConnectivityParameters, which name a VPC's resource, are refused. KmsKeyIdentifier is stored and answered; nothing is encrypted with the key.")),
		missing("CreateEndpoint", noEndpoints),
		protocol.Op("CreateEventBus", s.createEventBus,
			protocol.PartlyWorks("EventSourceName is refused. KmsKeyIdentifier, DeadLetterConfig and LogConfig of a bus are stored and answered; nothing is encrypted with the key.")),
		missing("CreatePartnerEventSource", noPartners),
		missing("DeactivateEventSource", noPartners),
		protocol.Op("DeauthorizeConnection", s.deauthorizeConnection),
		protocol.Op("DeleteApiDestination", s.deleteAPIDestination),
		protocol.Op("DeleteArchive", s.deleteArchive),
		protocol.Op("DeleteConnection", s.deleteConnection),
		missing("DeleteEndpoint", noEndpoints),
		protocol.Op("DeleteEventBus", s.deleteEventBus, protocol.WithNote("Of buses without rules.")),
		missing("DeletePartnerEventSource", noPartners),
		protocol.Op("DeleteRule", s.deleteRule),
		protocol.Op("DescribeApiDestination", s.describeAPIDestination),
		protocol.Op("DescribeArchive", s.describeArchive, protocol.Without("Archives are ENABLED at once.", "StateReason")),
		protocol.Op("DescribeConnection", s.describeConnection,
			protocol.Without("There are no VPCs.", "InvocationConnectivityParameters", "AuthParameters.ConnectivityParameters")),
		missing("DescribeEndpoint", noEndpoints),
		protocol.Op("DescribeEventBus", s.describeEventBus, protocol.Without("Nothing manages buses.", "ManagedBy")),
		missing("DescribeEventSource", noPartners),
		missing("DescribePartnerEventSource", noPartners),
		protocol.Op("DescribeReplay", s.describeReplay),
		protocol.Op("DescribeRule", s.describeRule, protocol.Without("Nothing manages rules.", "ManagedBy")),
		protocol.Op("DisableRule", s.disableRule),
		protocol.Op("EnableRule", s.enableRule),
		protocol.Op("ListApiDestinations", s.listAPIDestinations),
		protocol.Op("ListArchives", s.listArchives, protocol.Without("Archives are ENABLED at once.", "Archives.StateReason")),
		protocol.Op("ListConnections", s.listConnections),
		missing("ListEndpoints", noEndpoints),
		protocol.Op("ListEventBuses", s.listEventBuses, protocol.Without("Nothing manages buses.", "EventBuses.ManagedBy")),
		missing("ListEventSources", noPartners),
		missing("ListPartnerEventSourceAccounts", noPartners),
		missing("ListPartnerEventSources", noPartners),
		protocol.Op("ListReplays", s.listReplays),
		protocol.Op("ListRuleNamesByTarget", s.listRuleNamesByTarget),
		protocol.Op("ListRules", s.listRules, protocol.Without("Nothing manages rules.", "Rules.ManagedBy")),
		protocol.Op("ListTagsForResource", s.listTags),
		protocol.Op("ListTargetsByRule", s.listTargetsByRule, protocol.Without("Of targets that are refused.", otherTargets...)),
		protocol.Op("PutEvents", s.putEvents, protocol.ConditionKeys("events:source", "events:detail-type"),
			protocol.PartlyWorks("Up to 1 MiB in all. EndpointId is refused.")),
		missing("PutPartnerEvents", noPartners),
		protocol.Op("PutPermission", s.putPermission,
			protocol.PartlyWorks("A Condition, which asks for an organization, is refused.")),
		protocol.Op("PutRule", s.putRule,
			protocol.PartlyWorks("A State that asks for events of CloudTrail is refused.")),
		protocol.Op("PutTargets", s.putTargets, protocol.ConditionKeys("events:TargetArn"),
			protocol.PartlyWorks("Queues, topics, event buses and API destinations, with Input, InputPath, InputTransformer, SqsParameters, HttpParameters and DeadLetterConfig. RetryPolicy is that of API destinations; elsewhere it is stored and answered: nothing is retried there, since what is there takes an event at once. Other kinds of targets are refused with a sentence that says so."),
			protocol.Without("Of targets that are refused.", otherTargets...)),
		protocol.Op("RemovePermission", s.removePermission),
		protocol.Op("RemoveTargets", s.removeTargets),
		protocol.Op("StartReplay", s.startReplay),
		protocol.Op("TagResource", s.tagResource),
		protocol.Op("TestEventPattern", s.testEventPattern),
		protocol.Op("UntagResource", s.untagResource),
		protocol.Op("UpdateApiDestination", s.updateAPIDestination),
		protocol.Op("UpdateArchive", s.updateArchive, protocol.PartlyWorks("KmsKeyIdentifier is stored and answered; nothing is encrypted with the key."),
			protocol.Without("Archives are ENABLED at once.", "StateReason")),
		protocol.Op("UpdateConnection", s.updateConnection,
			protocol.PartlyWorks("As CreateConnection.")),
		missing("UpdateEndpoint", noEndpoints),
		protocol.Op("UpdateEventBus", s.updateEventBus,
			protocol.PartlyWorks("KmsKeyIdentifier, DeadLetterConfig and LogConfig of a bus are stored and answered; nothing is encrypted with the key.")),
	}
}
