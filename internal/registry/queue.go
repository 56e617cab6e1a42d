package registry

import (
	"maps"
	"slices"
	"strings"
)

// Queue is the definition of one queue. A Queue that came out of a Registry is
// shared and must not be changed; Clone it first.
type Queue struct {
	// ID tells incarnations apart: a queue that was deleted and created again
	// under its old name has another ID. Random, never 0.
	ID uint64 `json:"id,string"`

	Account string `json:"account"`
	Region  string `json:"region"`
	Name    string `json:"name"` // with ".fifo" when FIFO

	// Partition that holds the queue's messages. Set once, by Config.Place.
	Partition uint32 `json:"partition"`

	Created  int64 `json:"created"`  // Unix seconds
	Modified int64 `json:"modified"` // Unix seconds; attributes and policy, not tags

	FIFO bool `json:"fifo,omitempty"`

	DelaySeconds      int `json:"delaySeconds"`
	MaxMessageSize    int `json:"maxMessageSize"` // bytes
	RetentionSeconds  int `json:"retentionSeconds"`
	WaitSeconds       int `json:"waitSeconds"`
	VisibilitySeconds int `json:"visibilitySeconds"`

	// Policy is the queue's IAM policy as JSON; "" means none.
	Policy string `json:"policy,omitempty"`
	// Redrive says where messages go that were received too often; nil: nowhere.
	Redrive *Redrive `json:"redrive,omitempty"`
	// RedriveAllow says who may use this queue as a dead-letter queue; nil: all.
	RedriveAllow *RedriveAllow `json:"redriveAllow,omitempty"`

	ContentDedup    bool   `json:"contentDedup,omitempty"`
	DedupScope      string `json:"dedupScope,omitempty"`      // "queue" or "messageGroup"
	ThroughputLimit string `json:"throughputLimit,omitempty"` // "perQueue" or "perMessageGroupId"

	KMSKeyID        string `json:"kmsKeyId,omitempty"`
	KMSReuseSeconds int    `json:"kmsReuseSeconds,omitempty"`
	ManagedSSE      bool   `json:"managedSse,omitempty"`

	Tags map[string]string `json:"tags,omitempty"`

	// Revision of the stored definition. Not stored itself.
	Revision uint64 `json:"-"`
}

// Redrive is a queue's redrive policy.
type Redrive struct {
	TargetARN   string `json:"targetArn"`
	MaxReceives int    `json:"maxReceives"`
}

// RedriveAllow is a dead-letter queue's redrive allow policy.
type RedriveAllow struct {
	Permission string   `json:"permission"` // "allowAll", "denyAll" or "byQueue"
	Sources    []string `json:"sources,omitempty"`
}

// arnPrefix begins the ARN of every queue.
const arnPrefix = "arn:aws:sqs:"

// ARN of the queue: arn:aws:sqs:region:account:name.
func (q *Queue) ARN() string {
	return arnPrefix + q.Region + ":" + q.Account + ":" + q.Name
}

// ParseARN takes a queue's ARN apart. ok is false when it is not one.
func ParseARN(arn string) (account, region, name string, ok bool) {
	rest, ok := strings.CutPrefix(arn, arnPrefix)
	if !ok {
		return "", "", "", false
	}
	region, rest, ok = strings.Cut(rest, ":")
	if !ok {
		return "", "", "", false
	}
	account, name, ok = strings.Cut(rest, ":")
	if !ok || validate(account, region, name) != nil {
		return "", "", "", false
	}
	return account, region, name, true
}

// Clone returns a deep copy.
func (q *Queue) Clone() *Queue {
	c := *q
	if q.Redrive != nil {
		r := *q.Redrive
		c.Redrive = &r
	}
	if q.RedriveAllow != nil {
		r := *q.RedriveAllow
		r.Sources = slices.Clone(r.Sources)
		c.RedriveAllow = &r
	}
	c.Tags = maps.Clone(q.Tags)
	return &c
}
