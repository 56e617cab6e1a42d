package registry

import (
	"maps"
	"slices"
	"strings"
)

// Topic is the definition of one topic. A Topic that came out of a Registry is
// shared and must not be changed; Clone it first.
type Topic struct {
	Meta // Name with ".fifo" when FIFO

	// Partition from which a FIFO topic's messages are posted: it remembers what
	// was published. Set once.
	Partition uint32 `cbor:"10,keyasint,omitempty"`

	FIFO         bool `cbor:"11,keyasint,omitempty"`
	ContentDedup bool `cbor:"12,keyasint,omitempty"`
	// DedupPerGroup has deduplication ids count within their message group only.
	DedupPerGroup bool `cbor:"13,keyasint,omitempty"`

	DisplayName string `cbor:"14,keyasint,omitempty"`
	// Policy is the topic's IAM policy as JSON; "" means that of a new topic.
	Policy string `cbor:"15,keyasint,omitempty"`
	// MaxMessageSize in bytes; 0: not set.
	MaxMessageSize int `cbor:"16,keyasint,omitempty"`
	// SignatureVersion of notifications, 1 or 2; 0: not set.
	SignatureVersion int    `cbor:"17,keyasint,omitempty"`
	Tracing          string `cbor:"18,keyasint,omitempty"` // "PassThrough", "Active"; "": not set
	KMSKeyID         string `cbor:"19,keyasint,omitempty"`
	// Feedback are the attributes about the logging of deliveries, as they were set.
	Feedback map[string]string `cbor:"20,keyasint,omitempty"`

	Tags map[string]string `cbor:"21,keyasint,omitempty"`

	// DeliveryPolicy of deliveries by HTTP as JSON; "": not set.
	DeliveryPolicy string `cbor:"22,keyasint,omitempty"`
}

// defaultMessageSize is what a topic takes at once unless it says otherwise: 256 KiB
// (Amazon SNS API Reference, SetTopicAttributes, MaximumMessageSize).
const defaultMessageSize = 256 << 10

// Largest is how many bytes of a message the topic takes.
func (t *Topic) Largest() int {
	if t.MaxMessageSize == 0 {
		return defaultMessageSize
	}
	return t.MaxMessageSize
}

// topicARN begins the ARN of every topic.
const topicARN = arnPrefix + "sns:"

// ARN of the topic: arn:aws:sns:region:account:name.
func (t *Topic) ARN() string {
	return topicARN + t.Region + ":" + t.Account + ":" + t.Name
}

// Clone returns a deep copy.
func (t *Topic) Clone() *Topic {
	c := *t
	c.Feedback = maps.Clone(t.Feedback)
	c.Tags = maps.Clone(t.Tags)
	return &c
}

// Subscription is the definition of one subscription to a topic. Account and region
// are the topic's, Name is the topic's name, a slash, and the subscription's own id.
type Subscription struct {
	Meta

	// TopicID is Meta.ID of the topic: a subscription of another incarnation has
	// none, and is to be deleted.
	TopicID uint64 `cbor:"10,keyasint"`
	// Owner is the account that subscribed.
	Owner    string `cbor:"11,keyasint"`
	Protocol string `cbor:"12,keyasint"`
	Endpoint string `cbor:"13,keyasint"` // an ARN, for protocol "sqs"; a URL, for "http" and "https"
	// Pending: nobody has confirmed it, so that nothing is delivered.
	Pending bool `cbor:"14,keyasint,omitempty"`
	// Authenticated: it was confirmed by a signed request.
	Authenticated bool `cbor:"15,keyasint,omitempty"`

	// Raw delivery, without an envelope.
	Raw bool `cbor:"16,keyasint,omitempty"`
	// FilterPolicy as JSON; "": none. FilterBody: it is about the message's body,
	// not its attributes.
	FilterPolicy string `cbor:"17,keyasint,omitempty"`
	FilterBody   bool   `cbor:"18,keyasint,omitempty"`
	// RedriveARN is the dead-letter queue; "": none.
	RedriveARN string `cbor:"19,keyasint,omitempty"`
	// DeliveryPolicy of deliveries by HTTP as JSON; "": not set.
	DeliveryPolicy string `cbor:"20,keyasint,omitempty"`
	// Partition on which deliveries to an endpoint wait. Set once.
	Partition uint32 `cbor:"21,keyasint,omitempty"`
}

// ARN of the subscription: its topic's, a colon and its id.
func (s *Subscription) ARN() string {
	topic, id := s.Parts()
	return topicARN + s.Region + ":" + s.Account + ":" + topic + ":" + id
}

// Parts are the name of the topic and the subscription's own id.
func (s *Subscription) Parts() (topic, id string) {
	topic, id, _ = strings.Cut(s.Name, "/")
	return topic, id
}

// Clone returns a copy; there is nothing deep.
func (s *Subscription) Clone() *Subscription {
	c := *s
	return &c
}

// SubscriptionsByOwner is the index of subscriptions by SubscriptionOwner.
const SubscriptionsByOwner = 0

// SubscriptionOwner is what that index gives a subscription of an account's to a
// topic in a region.
func SubscriptionOwner(account, region string) string { return account + "/" + region }

// SubscriptionsByPush is the index of subscriptions that messages are pushed to, all of
// them under SubscriptionPush.
const (
	SubscriptionsByPush = 1
	SubscriptionPush    = "push"
)

// SigningKey is a key by which notifications are signed, with its certificate.
type SigningKey struct {
	Meta
	Key         []byte `cbor:"10,keyasint"` // PKCS #1, DER
	Certificate []byte `cbor:"11,keyasint"` // X.509, DER
}

// DefaultMaxTopics and DefaultMaxSubscriptions are how many there can be unless
// Config says otherwise.
const (
	DefaultMaxTopics        = 100_000
	DefaultMaxSubscriptions = 1_000_000
)

func topics(limit int) Kind[Topic] {
	return Kind[Topic]{
		Tag: tagTopic, Name: "topic", Version: 1, Limit: limit,
		Meta:  func(t *Topic) *Meta { return &t.Meta },
		Clone: (*Topic).Clone,
		Keep:  func(now, old *Topic) { now.Partition, now.FIFO = old.Partition, old.FIFO },
		Aside: func(now, old *Topic) { now.Tags = old.Tags },
		Share: func(t, near *Topic) {
			share(&t.Policy, near.Policy)
			share(&t.KMSKeyID, near.KMSKeyID)
		},
	}
}

func subscriptions(limit int) Kind[Subscription] {
	return Kind[Subscription]{
		Tag: tagSubscription, Name: "subscription", Version: 1, Limit: limit,
		Meta:  func(s *Subscription) *Meta { return &s.Meta },
		Clone: (*Subscription).Clone,
		Keep: func(now, old *Subscription) {
			now.TopicID, now.Owner, now.Protocol, now.Endpoint = old.TopicID, old.Owner, old.Protocol, old.Endpoint
			now.Partition = old.Partition
		},
		Share: func(s, near *Subscription) {
			share(&s.Owner, near.Owner)
			share(&s.Protocol, near.Protocol)
			share(&s.FilterPolicy, near.FilterPolicy)
			share(&s.RedriveARN, near.RedriveARN)
			share(&s.DeliveryPolicy, near.DeliveryPolicy)
		},
		Indexes: []func(*Subscription) string{
			SubscriptionsByOwner: func(s *Subscription) string { return SubscriptionOwner(s.Owner, s.Region) },
			SubscriptionsByPush: func(s *Subscription) string {
				if s.Protocol == "http" || s.Protocol == "https" {
					return SubscriptionPush
				}
				return ""
			},
		},
	}
}

var signingKeys = Kind[SigningKey]{
	Tag: tagSigningKey, Name: "signing key", Version: 1,
	Meta: func(k *SigningKey) *Meta { return &k.Meta },
	Clone: func(k *SigningKey) *SigningKey {
		c := *k
		c.Key, c.Certificate = slices.Clone(k.Key), slices.Clone(k.Certificate)
		return &c
	},
}

// Topics are the definitions of topics.
func (r *Registry) Topics() *Table[Topic] { return r.topics }

// Subscriptions are the definitions of subscriptions to topics.
func (r *Registry) Subscriptions() *Table[Subscription] { return r.subscriptions }

// SigningKeys are the keys by which notifications are signed.
func (r *Registry) SigningKeys() *Table[SigningKey] { return r.signingKeys }
