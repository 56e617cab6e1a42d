package sqs

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
)

// Bounds of the redrive policies.
const (
	maxMaxReceives = 1000
	maxSources     = 10
)

// Who may name a queue as its dead-letter queue.
const (
	allowAll = "allowAll"
	denyAll  = "denyAll"
	byQueue  = "byQueue"
)

// parseRedrive reads a RedrivePolicy; empty means none.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
func parseRedrive(v string) (*registry.Redrive, error) {
	if v == "" {
		return nil, nil
	}
	fields, ok := jsonObject(v)
	if !ok {
		return nil, badAttribute("RedrivePolicy", "Redrive policy is not a valid JSON map.")
	}
	refuse := func(reason string) error { return badValue(v, "RedrivePolicy", reason) }
	count, ok := fields["maxReceiveCount"]
	if !ok {
		return nil, refuse("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	}
	target, ok := fields["deadLetterTargetArn"]
	if !ok {
		return nil, refuse("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	if len(fields) > 2 {
		return nil, refuse("Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn].")
	}
	digits := strings.Trim(string(count), `"`)
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > maxMaxReceives {
		return nil, refuse("Invalid value for maxReceiveCount: " + echo(digits) + ", valid values are from 1 to 1000 both inclusive.")
	}
	var arn string
	if json.Unmarshal(target, &arn) != nil {
		return nil, refuse("Invalid value for deadLetterTargetArn.")
	}
	parts := strings.Split(arn, ":")
	switch {
	case len(parts) != 6 || parts[0] != "arn":
		return nil, refuse("Invalid value for deadLetterTargetArn.")
	case parts[2] != "sqs":
		return nil, refuse("Only SQS queues are valid resources for deadLetterTargetArn.")
	}
	return &registry.Redrive{TargetARN: arn, MaxReceives: n}, nil
}

// showRedrive renders the policy as AWS does, whatever form it was given in.
func showRedrive(r *registry.Redrive) (string, bool) {
	if r == nil {
		return "", false
	}
	arn, _ := json.Marshal(r.TargetARN)
	return `{"deadLetterTargetArn":` + string(arn) + `,"maxReceiveCount":` + strconv.Itoa(r.MaxReceives) + `}`, true
}

// checkTarget checks a queue's dead-letter queue: there, of the same account,
// region and type, and willing. A queue may name itself, as with AWS.
func (s *service) checkTarget(q *registry.Queue, raw string) error {
	refuse := func(reason string) error { return badValue(raw, "RedrivePolicy", reason) }
	if strings.HasSuffix(q.Redrive.TargetARN, fifoSuffix) != q.FIFO {
		// AWS ends this sentence with two full stops.
		return refuse("Dead-letter queue must be same type of queue as the source..")
	}
	source := q.ARN()
	if q.Redrive.TargetARN == source {
		return nil
	}
	target, ok := s.defs.QueueByARN(q.Redrive.TargetARN)
	if !ok || target.Account != q.Account || target.Region != q.Region {
		return refuse("Dead letter target does not exist.")
	}
	if a := target.RedriveAllow; a != nil && (a.Permission == denyAll || a.Permission == byQueue && !slices.Contains(a.Sources, source)) {
		return refuse("The redrive allow policy of the dead-letter queue does not let this queue use it.")
	}
	return nil
}

// parseRedriveAllow reads a RedriveAllowPolicy; empty means none.
func parseRedriveAllow(v string) (*registry.RedriveAllow, error) {
	if v == "" {
		return nil, nil
	}
	malformed := badAttribute("RedriveAllowPolicy",
		"Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.")
	if fields, ok := jsonObject(v); !ok || fields["redrivePermission"] == nil {
		return nil, malformed
	}
	var p struct {
		Permission string    `json:"redrivePermission"`
		Sources    *[]string `json:"sourceQueueArns"`
	}
	d := json.NewDecoder(strings.NewReader(v))
	d.DisallowUnknownFields()
	if d.Decode(&p) != nil {
		return nil, malformed
	}
	refuse := func(reason string) error {
		return badValue(v, "RedriveAllowPolicy", "Amazon SQS can't create the redrive allow policy. "+reason)
	}
	switch p.Permission {
	case allowAll, denyAll:
		if p.Sources != nil {
			return nil, refuse("To specify one or more source queue ARNs, you must set redrivePermission to byQueue.")
		}
		return &registry.RedriveAllow{Permission: p.Permission}, nil
	case byQueue:
		switch {
		case p.Sources == nil || len(*p.Sources) == 0:
			return nil, refuse("When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values.")
		case len(*p.Sources) > maxSources:
			return nil, refuse("The maximum number of source queue ARNs you can specify is 10.")
		}
		for _, arn := range *p.Sources {
			if _, _, _, ok := registry.ParseQueueARN(arn); !ok {
				return nil, refuse("The value " + echo(arn) + " is not the ARN of a queue.")
			}
		}
		return &registry.RedriveAllow{Permission: byQueue, Sources: *p.Sources}, nil
	}
	return nil, malformed
}

// showRedriveAllow renders the policy as AWS does.
func showRedriveAllow(a *registry.RedriveAllow) (string, bool) {
	if a == nil {
		return "", false
	}
	b, _ := json.Marshal(struct {
		Permission string   `json:"redrivePermission"`
		Sources    []string `json:"sourceQueueArns,omitempty"`
	}{a.Permission, a.Sources})
	return string(b), true
}

// jsonObject takes one JSON object apart, one level deep.
func jsonObject(v string) (map[string]json.RawMessage, bool) {
	var m map[string]json.RawMessage
	if json.Unmarshal([]byte(v), &m) != nil || m == nil {
		return nil, false
	}
	return m, true
}

// sameJSON tells whether two texts are the same JSON value, whatever the order
// of members and blanks between.
func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	ca, _ := json.Marshal(x)
	cb, _ := json.Marshal(y)
	return bytes.Equal(ca, cb)
}

// errNotDeadLetter refuses to move messages out of a queue that no other names
// as its dead-letter queue.
var errNotDeadLetter = protocol.InvalidParameterValue("Source queue must be configured as a Dead Letter Queue.")
