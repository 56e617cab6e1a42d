package registry

import "strings"

// Resource is what an ARN names.
type Resource struct {
	// Kind is the kind's name: "queue", "topic", "rule", …
	Kind                  string
	Account, Region, Name string
}

// arnForm is how the ARN of a kind looks: arn:aws:SERVICE:REGION:ACCOUNT: and then
// prefix and the name, whose parts (as many as parts) stand between separators.
type arnForm struct {
	kind, service, prefix string
	parts                 int
	separator             string
}

// arnForms are the ARNs of every kind. Within a service they differ in prefix or
// number of parts.
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
var arnForms = []arnForm{
	{"queue", "sqs", "", 1, ""},
	{"topic", "sns", "", 1, ""},
	{"subscription", "sns", "", 2, ":"},
	{"bus", "events", "event-bus/", 1, ""},
	{"rule", "events", "rule/", 1, ""}, // on the bus named default
	{"rule", "events", "rule/", 2, "/"},
	{"archive", "events", "archive/", 1, ""},
	{"replay", "events", "replay/", 1, ""},
	{"connection", "events", "connection/", 2, "/"},
	{"api-destination", "events", "api-destination/", 2, "/"},
	{"schedule-group", "scheduler", "schedule-group/", 1, ""},
	{"schedule", "scheduler", "schedule/", 2, "/"},
	{"pipe", "pipes", "pipe/", 1, ""},
	{"stream", "kinesis", "stream/", 1, ""},
	{"consumer", "kinesis", "stream/", 2, "/consumer/"},
	{"delivery-stream", "firehose", "deliverystream/", 1, ""},
	{"function", "lambda", "function:", 1, ""},
	{"function-version", "lambda", "function:", 2, ":"},
	{"layer", "lambda", "layer:", 1, ""},
	{"event-source-mapping", "lambda", "event-source-mapping:", 1, ""},
}

const (
	arnPrefix  = "arn:aws:"
	defaultBus = "default"
)

// ARN of the resource; "" when the kind has none or the name has not as many
// parts (between slashes) as its ARN.
func (r Resource) ARN() string {
	parts := strings.Count(r.Name, "/") + 1
	for _, f := range arnForms {
		if f.kind != r.Kind {
			continue
		}
		name := r.Name
		if f.kind == "rule" && f.parts == 1 {
			// A rule's ARN leaves the default bus out.
			var ok bool
			if name, ok = strings.CutPrefix(name, defaultBus+"/"); !ok {
				continue
			}
		} else if parts != f.parts {
			continue
		}
		return arnPrefix + f.service + ":" + r.Region + ":" + r.Account + ":" + f.prefix + strings.ReplaceAll(name, "/", f.separator)
	}
	return ""
}

// ParseARN takes the ARN of any kind apart. ok is false when it is not one.
// Name has its parts between slashes.
func ParseARN(arn string) (r Resource, ok bool) {
	rest, ok := strings.CutPrefix(arn, arnPrefix)
	if !ok {
		return Resource{}, false
	}
	fields := strings.SplitN(rest, ":", 4)
	if len(fields) != 4 {
		return Resource{}, false
	}
	service, region, account, rest := fields[0], fields[1], fields[2], fields[3]
	for _, f := range arnForms {
		name, ok := strings.CutPrefix(rest, f.prefix)
		if !ok || f.service != service {
			continue
		}
		if f.parts == 2 {
			first, second, ok := strings.Cut(name, f.separator)
			if !ok || strings.Contains(first, "/") || strings.Contains(second, "/") {
				continue
			}
			name = first + "/" + second
		} else if strings.Contains(name, "/") {
			continue
		}
		if f.kind == "rule" && f.parts == 1 {
			name = defaultBus + "/" + name
		}
		if !(fullName{account, region, name}).valid() {
			continue
		}
		return Resource{f.kind, account, region, name}, true
	}
	return Resource{}, false
}

// ParseQueueARN takes a queue's ARN apart. ok is false when it is not one.
func ParseQueueARN(arn string) (account, region, name string, ok bool) {
	r, ok := ParseARN(arn)
	if !ok || r.Kind != "queue" {
		return "", "", "", false
	}
	return r.Account, r.Region, r.Name, true
}
