// Package awsapi is the list of all APIs: the server serves it, the compatibility
// page is written from it, and the tests hold each of its tables against what is
// published of the API.
package awsapi

import (
	"github.com/waystation/waystation/internal/awsapi/events"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/scheduler"
	"github.com/waystation/waystation/internal/awsapi/sns"
	"github.com/waystation/waystation/internal/awsapi/sqs"
	"github.com/waystation/waystation/internal/awsapi/sts"
)

// Needs are what the APIs are served with. The zero value is enough for their
// tables.
type Needs struct {
	Events    events.Config
	Scheduler scheduler.Config
	SNS       sns.Config
	SQS       sqs.Config
	STS       sts.Access
}

// All makes every API that there is.
func All(n Needs) []*protocol.API {
	return []*protocol.API{
		sqs.New(n.SQS),
		sns.New(n.SNS),
		events.New(n.Events),
		scheduler.New(n.Scheduler),
		sts.New(n.STS),
	}
}
