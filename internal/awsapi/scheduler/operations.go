package scheduler

import "github.com/waystation/waystation/internal/awsapi/protocol"

// operations is the table of the API.
func (s *service) operations() []protocol.Operation {
	others := protocol.Without("Of targets that are refused.",
		"Target.EcsParameters", "Target.EventBridgePutEventsV2Parameters", "Target.EventBridgePutRawEventsParameters", "Target.KinesisParameters",
		"Target.SageMakerPipelineParameters")
	return []protocol.Operation{
		protocol.Op("CreateSchedule", s.createSchedule, protocol.At("POST", "/schedules/{Name}", 0), others,
			protocol.PartlyWorks("Targets are queues, topics and event buses, templated and universal; others are refused with a sentence that says so. KmsKeyArn is stored and answered; nothing is encrypted with the key.")),
		protocol.Op("CreateScheduleGroup", s.createGroup, protocol.At("POST", "/schedule-groups/{Name}", 0)),
		protocol.Op("DeleteSchedule", s.deleteSchedule, protocol.At("DELETE", "/schedules/{Name}", 0),
			protocol.WithNote("ClientToken means nothing: of a repeated request the second finds no schedule.")),
		protocol.Op("DeleteScheduleGroup", s.deleteGroup, protocol.At("DELETE", "/schedule-groups/{Name}", 0)),
		protocol.Op("GetSchedule", s.getSchedule, protocol.At("GET", "/schedules/{Name}", 0), others),
		protocol.Op("GetScheduleGroup", s.getGroup, protocol.At("GET", "/schedule-groups/{Name}", 0)),
		protocol.Op("ListScheduleGroups", s.listGroups, protocol.At("GET", "/schedule-groups", 0)),
		protocol.Op("ListSchedules", s.listSchedules, protocol.At("GET", "/schedules", 0)),
		protocol.Op("ListTagsForResource", s.listTags, protocol.At("GET", "/tags/{ResourceArn}", 0)),
		protocol.Op("TagResource", s.tagResource, protocol.At("POST", "/tags/{ResourceArn}", 0)),
		protocol.Op("UntagResource", s.untagResource, protocol.At("DELETE", "/tags/{ResourceArn}", 0)),
		protocol.Op("UpdateSchedule", s.updateSchedule, protocol.At("PUT", "/schedules/{Name}", 0), others,
			protocol.PartlyWorks("As CreateSchedule.")),
	}
}
