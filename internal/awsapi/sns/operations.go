package sns

import "github.com/waystation/waystation/internal/awsapi/protocol"

// Why operations are not there yet.
const (
	noPush = "Needs deliveries to platform applications, which come later."
	noSMS  = "Needs deliveries by SMS, which come later."
	noData = "Data protection is no longer offered to new customers by AWS, and not planned."
)

// operations is the table of the API.
func (s *service) operations() []protocol.Operation {
	note := protocol.WithNote
	missing := protocol.Missing
	return []protocol.Operation{
		protocol.Op("AddPermission", s.addPermission),
		missing("CheckIfPhoneNumberIsOptedOut", noSMS),
		protocol.Op("ConfirmSubscription", s.confirmSubscription, protocol.AllowAnonymous(),
			note("Of HTTP endpoints, and of queues of other accounts, whose owners confirm. Tokens are good for two days.")),
		missing("CreatePlatformApplication", noPush),
		missing("CreatePlatformEndpoint", noPush),
		missing("CreateSMSSandboxPhoneNumber", noSMS),
		protocol.Op("CreateTopic", s.createTopic,
			protocol.PartlyWorks("DataProtectionPolicy, and the attributes that are not there yet, are refused.")),
		missing("DeleteEndpoint", noPush),
		missing("DeletePlatformApplication", noPush),
		missing("DeleteSMSSandboxPhoneNumber", noSMS),
		protocol.Op("DeleteTopic", s.deleteTopic),
		missing("GetDataProtectionPolicy", noData),
		missing("GetEndpointAttributes", noPush),
		missing("GetPlatformApplicationAttributes", noPush),
		missing("GetSMSAttributes", noSMS),
		missing("GetSMSSandboxAccountStatus", noSMS),
		protocol.Op("GetSubscriptionAttributes", s.getSubscriptionAttributes),
		protocol.Op("GetTopicAttributes", s.getTopicAttributes),
		missing("ListEndpointsByPlatformApplication", noPush),
		missing("ListOriginationNumbers", noSMS),
		missing("ListPhoneNumbersOptedOut", noSMS),
		missing("ListPlatformApplications", noPush),
		missing("ListSMSSandboxPhoneNumbers", noSMS),
		protocol.Op("ListSubscriptions", s.listSubscriptions),
		protocol.Op("ListSubscriptionsByTopic", s.listSubscriptionsByTopic),
		protocol.Op("ListTagsForResource", s.listTags),
		protocol.Op("ListTopics", s.listTopics),
		missing("OptInPhoneNumber", noSMS),
		protocol.Op("Publish", s.publish,
			protocol.PartlyWorks("To topics. PhoneNumber, and a TargetArn that is not a topic's, are refused.")),
		protocol.Op("PublishBatch", s.publishBatch),
		missing("PutDataProtectionPolicy", noData),
		protocol.Op("RemovePermission", s.removePermission),
		missing("SetEndpointAttributes", noPush),
		missing("SetPlatformApplicationAttributes", noPush),
		missing("SetSMSAttributes", noSMS),
		protocol.Op("SetSubscriptionAttributes", s.setSubscriptionAttributes,
			protocol.PartlyWorks("The attributes that are not there yet are refused.")),
		protocol.Op("SetTopicAttributes", s.setTopicAttributes,
			protocol.PartlyWorks("The attributes that are not there yet are refused.")),
		protocol.Op("Subscribe", s.subscribe, protocol.ConditionKeys("sns:Endpoint", "sns:Protocol"),
			protocol.PartlyWorks("With protocol sqs, http and https. email, email-json, sms, application, lambda and firehose are refused with a sentence that says so.")),
		protocol.Op("TagResource", s.tagResource),
		protocol.Op("Unsubscribe", s.unsubscribe),
		protocol.Op("UntagResource", s.untagResource),
		missing("VerifySMSSandboxPhoneNumber", noSMS),
	}
}
