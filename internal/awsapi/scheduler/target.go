package scheduler

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/attribute"
	"github.com/waystation/waystation/internal/awsapi/characters"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/scheduler"
)

// fifoSuffix ends the name of every FIFO queue and topic, and of no other.
const fifoSuffix = ".fifo"

// Forms of ARNs, as the model has them.
var (
	roleForm = regexp.MustCompile(`^arn:aws(-[a-z]+)?:iam::\d{12}:role\/[\w+=,.@\/-]+$`)
	deadForm = regexp.MustCompile(`^arn:aws(-[a-z]+)?:sqs:[a-z0-9\-]+:\d{12}:[a-zA-Z0-9\-_]+$`)
	keyForm  = regexp.MustCompile(`^arn:aws(-[a-z]+)?:kms:[a-z0-9\-]+:\d{12}:(key|alias)\/[0-9a-zA-Z-_]*$`)
)

// laterTargets are the kinds of targets that are known and refused, by the service of
// their ARN.
var laterTargets = []struct{ service, name string }{
	{"lambda", "Lambda functions"}, {"states", "Step Functions state machines"}, {"kinesis", "Kinesis streams"},
	{"firehose", "Firehose streams"}, {"ecs", "ECS tasks"}, {"", "All others, templated and universal"},
}

// check checks a target against the constraints of the model.
func (t *target) check(v *problems) {
	v.Length("target.arn", t.Arn, 1, maxARN)
	if v.Length("target.roleArn", t.RoleArn, 1, maxARN); t.RoleArn != "" && len(t.RoleArn) <= maxARN && !roleForm.MatchString(t.RoleArn) {
		v.Add("target.roleArn", t.RoleArn, "satisfy regular expression pattern: "+roleForm.String())
	}
	if d := t.DeadLetterConfig; d != nil && d.Arn != "" && (len(d.Arn) > maxARN || !deadForm.MatchString(d.Arn)) {
		v.Add("target.deadLetterConfig.arn", d.Arn, "satisfy regular expression pattern: "+deadForm.String())
	}
	if p := t.RetryPolicy; p != nil {
		v.Range("target.retryPolicy.maximumEventAgeInSeconds", p.MaximumEventAgeInSeconds, minAge, maxAge)
		v.Range("target.retryPolicy.maximumRetryAttempts", p.MaximumRetryAttempts, 0, maxRetries)
	}
	if p := t.SqsParameters; p != nil && p.MessageGroupId != "" {
		v.Length("target.sqsParameters.messageGroupId", p.MessageGroupId, 1, maxGroup)
	}
	if p := t.EventBridgeParameters; p != nil {
		v.Length("target.eventBridgeParameters.detailType", p.DetailType, 1, maxDetailType)
		v.Length("target.eventBridgeParameters.source", p.Source, 1, maxSource)
	}
}

// definition makes a target that can be stored.
func (t *target) definition(c *protocol.Call) (d scheduler.Target, err error) {
	d = scheduler.Target{ARN: t.Arn, RoleARN: t.RoleArn, Input: t.Input}
	switch {
	case len(t.Input) > scheduler.MaxInput:
		return d, invalid("The Input of a target has at most 262144 bytes.")
	case characters.Bad(t.Input) >= 0:
		return d, invalid("The Input of the target has a character that a message cannot contain.")
	case strings.Split(t.RoleArn, ":")[4] != c.Account:
		return d, invalid("The role " + echo(t.RoleArn) + " is of another account: cross-account pass role is not allowed.")
	}
	if p := t.SqsParameters; p != nil {
		d.Group = p.MessageGroupId
	}
	if p := t.EventBridgeParameters; p != nil {
		d.DetailType, d.Source = p.DetailType, p.Source
	}
	if t.DeadLetterConfig != nil {
		d.DeadLetterARN = t.DeadLetterConfig.Arn
	}
	if p := t.RetryPolicy; p != nil {
		d.MaxRetries, d.MaxAge = wide(p.MaximumRetryAttempts), wide(p.MaximumEventAgeInSeconds)
	}
	if call, ok := strings.CutPrefix(t.Arn, scheduler.CallPrefix); ok {
		return d, t.checkCall(c, call)
	}
	return d, t.checkTemplate()
}

func wide(n *int32) *int {
	if n == nil {
		return nil
	}
	w := int(*n)
	return &w
}

// checkTemplate checks a target that names what it calls.
func (t *target) checkTemplate() error {
	r, ok := registry.ParseARN(t.Arn)
	parts := strings.SplitN(t.Arn, ":", 6)
	switch {
	case !ok && (len(parts) < 6 || parts[0] != "arn" || parts[2] == ""):
		return invalid("Provided Arn is not in correct format.")
	case r.Kind != "queue" && t.SqsParameters != nil:
		return invalid("SqsParameters go with a queue as the target only.")
	case r.Kind != "bus" && t.EventBridgeParameters != nil:
		return invalid("EventBridgeParameters go with an event bus as the target only.")
	}
	switch r.Kind {
	case "queue":
		group := ""
		if t.SqsParameters != nil {
			group = t.SqsParameters.MessageGroupId
		}
		switch {
		case strings.HasSuffix(r.Name, fifoSuffix) && group == "":
			return invalid("SqsParameters.MessageGroupId is required for a FIFO queue as the target.")
		case group != "" && !characters.ID(group):
			return invalid("SqsParameters.MessageGroupId has letters, digits and punctuation only.")
		}
		return nil
	case "topic":
		if strings.HasSuffix(r.Name, fifoSuffix) {
			return invalid("A FIFO topic needs a MessageGroupId: use the universal target " + scheduler.CallPrefix + scheduler.CallPublish + ".")
		}
		return nil
	case "bus":
		switch {
		case t.EventBridgeParameters == nil:
			return invalid("EventBridgeParameters are required for an event bus as the target.")
		case registry.ReservedSource(t.EventBridgeParameters.Source):
			return invalid("EventBridgeParameters.Source must not begin with aws. or waystation.")
		case strings.HasPrefix(t.EventBridgeParameters.Source, "$"):
			return invalid("EventBridgeParameters.Source is a text here, paths are not supported.")
		case t.Input != "" && !scheduler.IsObject(scheduler.Sample(t.Input)):
			return invalid("The Input of an event bus as the target must be a JSON object.")
		}
		return nil
	}
	if ok {
		parts[2] += " (" + r.Kind + ")"
	}
	return invalid("Targets of the service " + echo(parts[2]) + " are not supported yet; queues, topics and event buses are.")
}

// checkCall checks a universal target.
func (t *target) checkCall(c *protocol.Call, name string) error {
	switch {
	case !slices.Contains(scheduler.Calls, name):
		return invalid("The universal target " + echo(t.Arn) + " is not supported yet; " + strings.Join(scheduler.Calls, ", ") + " are.")
	case t.SqsParameters != nil || t.EventBridgeParameters != nil:
		return invalid("SqsParameters and EventBridgeParameters do not go with a universal target: its Input has all parameters.")
	case t.Input == "":
		return invalid("A universal target needs an Input: the parameters of the call.")
	}
	call, err := scheduler.ParseCall(name, scheduler.Sample(t.Input))
	if err != nil {
		return invalid("The Input of the universal target is not valid: " + err.Error() + ".")
	}
	for i := range call.Messages {
		if err := checkMessage(&call.Messages[i]); err != nil {
			return err
		}
	}
	for i := range call.Events {
		if _, ok := scheduler.BusOf(call.Events[i].Bus, c.Account, c.Region); !ok {
			return invalid("The Input of the universal target is not valid: an EventBusName is neither a name nor the ARN of a bus.")
		}
	}
	return nil
}

// checkMessage checks what a message of a call must not have.
func checkMessage(m *scheduler.CallMessage) error {
	switch {
	case characters.Bad(m.Body) >= 0:
		return invalid("The Input of the universal target has a message with a character that messages cannot contain.")
	case m.Subject != "" && !characters.Subject(m.Subject):
		return invalid("The Input of the universal target has a Subject that is not 1 to 100 characters without line breaks and control characters.")
	}
	for _, id := range []string{m.Group, m.Dedup} {
		if id != "" && !characters.ID(id) {
			return invalid("The Input of the universal target has a MessageGroupId or MessageDeduplicationId that is not 1 to 128 letters, digits and punctuation characters.")
		}
	}
	if len(m.Attributes) > 10 {
		return invalid("The Input of the universal target has a message with more than 10 message attributes.")
	}
	for i := range m.Attributes {
		a := &m.Attributes[i]
		var text *string
		if a.Binary == nil {
			text = &a.Value
		}
		_, err := attribute.Check(a.Name, a.Type, text, a.Binary)
		var refused *attribute.Error
		if errors.As(err, &refused) {
			return invalid("The Input of the universal target has a message attribute " + echo(a.Name) + " whose name, type or value is not valid.")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shown is a target as it is answered.
func shown(d *scheduler.Target) *target {
	attempts, age := int32(scheduler.DefaultRetries), int32(scheduler.DefaultAge.Seconds())
	if d.MaxRetries != nil {
		attempts = int32(*d.MaxRetries)
	}
	if d.MaxAge != nil {
		age = int32(*d.MaxAge)
	}
	t := &target{Arn: d.ARN, RoleArn: d.RoleARN, Input: d.Input, RetryPolicy: &retryPolicy{&age, &attempts}}
	if d.DeadLetterARN != "" {
		t.DeadLetterConfig = &deadLetterConfig{d.DeadLetterARN}
	}
	if d.Group != "" {
		t.SqsParameters = &sqsParameters{d.Group}
	}
	if d.Source != "" || d.DetailType != "" {
		t.EventBridgeParameters = &eventBridgeParameters{d.DetailType, d.Source}
	}
	return t
}
