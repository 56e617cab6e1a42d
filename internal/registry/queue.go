package registry

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// Queue is the definition of one queue. A Queue that came out of a Registry is
// shared and must not be changed; Clone it first.
type Queue struct {
	Meta // Name with ".fifo" when FIFO

	// Partition that holds the queue's messages. Set once, by Config.Place.
	Partition uint32 `cbor:"10,keyasint,omitempty"`

	FIFO         bool `cbor:"11,keyasint,omitempty"`
	ContentDedup bool `cbor:"20,keyasint,omitempty"`
	ManagedSSE   bool `cbor:"25,keyasint,omitempty"`

	DelaySeconds      int `cbor:"12,keyasint,omitempty"`
	MaxMessageSize    int `cbor:"13,keyasint,omitempty"` // bytes
	RetentionSeconds  int `cbor:"14,keyasint,omitempty"`
	WaitSeconds       int `cbor:"15,keyasint,omitempty"`
	VisibilitySeconds int `cbor:"16,keyasint,omitempty"`

	// Policy is the queue's IAM policy as JSON; "" means none.
	Policy string `cbor:"17,keyasint,omitempty"`
	// Redrive says where messages go that were received too often; nil: nowhere.
	Redrive *Redrive `cbor:"18,keyasint,omitempty"`
	// RedriveAllow says who may use this queue as a dead-letter queue; nil: all.
	RedriveAllow *RedriveAllow `cbor:"19,keyasint,omitempty"`

	DedupScope      string `cbor:"21,keyasint,omitempty"` // "queue" or "messageGroup"
	ThroughputLimit string `cbor:"22,keyasint,omitempty"` // "perQueue" or "perMessageGroupId"

	KMSKeyID        string `cbor:"23,keyasint,omitempty"`
	KMSReuseSeconds int    `cbor:"24,keyasint,omitempty"`

	Tags map[string]string `cbor:"26,keyasint,omitempty"`
}

// Redrive is a queue's redrive policy.
type Redrive struct {
	TargetARN   string `cbor:"1,keyasint"`
	MaxReceives int    `cbor:"2,keyasint"`
}

// RedriveAllow is a dead-letter queue's redrive allow policy.
type RedriveAllow struct {
	Permission string   `cbor:"1,keyasint"` // "allowAll", "denyAll" or "byQueue"
	Sources    []string `cbor:"2,keyasint,omitempty"`
}

// queueARN begins the ARN of every queue.
const queueARN = arnPrefix + "sqs:"

// ARN of the queue: arn:aws:sqs:region:account:name.
func (q *Queue) ARN() string {
	return queueARN + q.Region + ":" + q.Account + ":" + q.Name
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

// byRedriveTarget is the queues' index by the ARN of their dead-letter queue.
const byRedriveTarget = 0

// queues is the kind of a queue.
func queues(limit int, place func(*Queue)) Kind[Queue] {
	return Kind[Queue]{
		Tag: tagQueue, Name: "queue", Version: 1, Limit: limit,
		Meta:  func(q *Queue) *Meta { return &q.Meta },
		Clone: (*Queue).Clone,
		Keep: func(now, old *Queue) {
			now.Partition, now.FIFO = old.Partition, old.FIFO
		},
		Aside: func(now, old *Queue) { now.Tags = old.Tags },
		Share: func(q, near *Queue) {
			share(&q.DedupScope, near.DedupScope)
			share(&q.ThroughputLimit, near.ThroughputLimit)
			share(&q.KMSKeyID, near.KMSKeyID)
			share(&q.Policy, near.Policy)
			if q.Redrive != nil && near.Redrive != nil {
				share(&q.Redrive.TargetARN, near.Redrive.TargetARN)
			}
		},
		Partition: func(q *Queue) uint32 { return q.Partition },
		Place:     place,
		Indexes: []func(*Queue) string{
			byRedriveTarget: func(q *Queue) string {
				if q.Redrive == nil {
					return ""
				}
				return q.Redrive.TargetARN
			},
		},
	}
}

// CreateQueue is Table.Create for queues: it stores q unless its name is taken.
// Partition is chosen by Config.Place.
func (r *Registry) CreateQueue(ctx context.Context, q Queue, same func(existing *Queue) bool) (*Queue, bool, error) {
	return r.queues.Create(ctx, &q, same)
}

// UpdateQueue is Table.Update for queues. Partition and FIFO stay too. Modified
// is set unless only tags changed.
func (r *Registry) UpdateQueue(ctx context.Context, account, region, name string, change func(*Queue) error) (*Queue, error) {
	return r.queues.Update(ctx, account, region, name, change)
}

// DeleteQueue is Table.Delete for queues.
func (r *Registry) DeleteQueue(ctx context.Context, account, region, name string) error {
	return r.queues.Delete(ctx, account, region, name)
}

// OnQueue is Table.OnChange for queues.
func (r *Registry) OnQueue(fn func(old, new *Queue)) { r.queues.OnChange(fn) }

// Queue by its name, from memory.
func (r *Registry) Queue(account, region, name string) (*Queue, bool) {
	return r.queues.Get(account, region, name)
}

// FindQueue is Table.Find for queues.
func (r *Registry) FindQueue(ctx context.Context, account, region, name string) (*Queue, error) {
	return r.queues.Find(ctx, account, region, name)
}

// QueueByARN from memory.
func (r *Registry) QueueByARN(arn string) (*Queue, bool) {
	rest, ok := strings.CutPrefix(arn, queueARN)
	if !ok {
		return nil, false
	}
	region, rest, _ := strings.Cut(rest, ":")
	account, name, _ := strings.Cut(rest, ":")
	return r.Queue(account, region, name)
}

// QueueByID from memory.
func (r *Registry) QueueByID(id uint64) (*Queue, bool) { return r.queues.ByID(id) }

// Queues is Table.List for queues.
func (r *Registry) Queues(account, region, prefix, after string, limit int) (list []*Queue, more bool) {
	return r.queues.List(account, region, prefix, after, limit)
}

// DeadLetterSources returns the queues whose redrive policy names arn, ordered
// by account, region and name.
func (r *Registry) DeadLetterSources(arn string) []*Queue {
	return r.queues.By(byRedriveTarget, arn)
}

// CountOf is how many queues are placed on a partition, those included that are
// being created by this node. It costs the same however many there are.
func (r *Registry) CountOf(partition uint32) int { return r.queues.CountOf(partition) }

// Count is how many queues there are.
func (r *Registry) Count() int { return r.queues.Len() }

// Gone reports whether the queue with this ID was deleted: Table.Gone.
func (r *Registry) Gone(ctx context.Context, id, revision uint64) (bool, error) {
	return r.queues.Gone(ctx, id, revision)
}

// EncodeQueue is Table.Encode for queues.
func EncodeQueue(q *Queue) ([]byte, error) {
	k := queues(0, nil)
	return k.encode(q, nil)
}

// DecodeQueue is the inverse of EncodeQueue. An error says that b is damaged or
// was written by a newer release (*VersionError).
func DecodeQueue(b []byte) (*Queue, error) {
	s, err := openSealed(b)
	if err != nil {
		return nil, err
	}
	if s.tag != tagQueue {
		return nil, errNotThatKind
	}
	k := queues(0, nil)
	q, _, err := k.decode(s)
	return q, err
}
