package registry

import (
	"maps"
	"slices"
	"strings"
)

// DefaultBus is the name of the event bus that every account has in every region, also
// where no definition of it is stored.
const DefaultBus = defaultBus

// ReservedSource reports whether only services put events of a source: those of AWS, and
// this server for what happens in it.
func ReservedSource(source string) bool {
	return strings.HasPrefix(source, "aws.") || strings.HasPrefix(source, "waystation.")
}

// Bus is the definition of one event bus. That of the bus named DefaultBus is stored
// once something of it was set, and never deleted. A Bus that came out of a Registry
// is shared and must not be changed; Clone it first.
type Bus struct {
	Meta

	Description string `cbor:"10,keyasint,omitempty"`
	KMSKeyID    string `cbor:"11,keyasint,omitempty"`
	// DeadLetterARN, LogLevel and LogDetail as they were set; "": not set.
	DeadLetterARN string `cbor:"12,keyasint,omitempty"`
	LogLevel      string `cbor:"13,keyasint,omitempty"`
	LogDetail     string `cbor:"14,keyasint,omitempty"`
	// Policy is the bus's IAM policy as JSON; "": none.
	Policy string `cbor:"15,keyasint,omitempty"`

	Tags map[string]string `cbor:"16,keyasint,omitempty"`
}

// ARN of the bus: arn:aws:events:region:account:event-bus/name.
func (b *Bus) ARN() string {
	return arnPrefix + "events:" + b.Region + ":" + b.Account + ":event-bus/" + b.Name
}

// Incarnation tells a bus from one that had its name before: its ID, and 0 of the
// default bus, of which there is ever one.
func (b *Bus) Incarnation() uint64 {
	if b.Name == DefaultBus {
		return 0
	}
	return b.ID
}

// Clone returns a deep copy.
func (b *Bus) Clone() *Bus {
	c := *b
	c.Tags = maps.Clone(b.Tags)
	return &c
}

// Rule is the definition of one rule with its targets. Account and region are the
// bus's, Name is the bus's name, a slash, and the rule's own.
type Rule struct {
	Meta

	// Bus is the Incarnation of the bus: a rule of another one counts for nothing.
	Bus uint64 `cbor:"10,keyasint,omitempty"`
	// Pattern that events have to match, as JSON.
	Pattern     string `cbor:"11,keyasint,omitempty"`
	Disabled    bool   `cbor:"12,keyasint,omitempty"`
	Description string `cbor:"13,keyasint,omitempty"`
	RoleARN     string `cbor:"14,keyasint,omitempty"`
	// CreatedBy is the account that made the rule.
	CreatedBy string `cbor:"15,keyasint,omitempty"`
	// Targets in the order of their ids.
	Targets []Target `cbor:"16,keyasint,omitempty"`

	Tags map[string]string `cbor:"17,keyasint,omitempty"`

	// Schedule at which it fires, as package schedule reads it; "": none.
	Schedule string `cbor:"18,keyasint,omitempty"`
	// Since is from when on the schedule counts, in Unix milliseconds, and rises each time
	// that it begins anew; 0: there never was one.
	Since int64 `cbor:"19,keyasint,omitempty"`
	// Partition on which it waits for its time.
	Partition uint32 `cbor:"20,keyasint,omitempty"`
}

// Target is what gets the events that match a rule. Of Input, InputPath and Template
// one is set at most; none: it gets the event.
type Target struct {
	ID      string `cbor:"1,keyasint"`
	ARN     string `cbor:"2,keyasint"`
	RoleARN string `cbor:"3,keyasint,omitempty"`

	Input     string            `cbor:"4,keyasint,omitempty"` // JSON
	InputPath string            `cbor:"5,keyasint,omitempty"`
	Template  string            `cbor:"6,keyasint,omitempty"`
	Paths     map[string]string `cbor:"7,keyasint,omitempty"` // of the template's variables

	// Group of messages, of queues; "": none.
	Group         string `cbor:"8,keyasint,omitempty"`
	DeadLetterARN string `cbor:"9,keyasint,omitempty"`
	// MaxRetries and MaxAge (seconds) of RetryPolicy; nil: not set.
	MaxRetries *int `cbor:"10,keyasint,omitempty"`
	MaxAge     *int `cbor:"11,keyasint,omitempty"`
	// HTTP parameters, of API destinations; nil: none.
	HTTP *HTTPParameters `cbor:"12,keyasint,omitempty"`
}

// ARN of the rule: arn:aws:events:region:account:rule/bus/name, without the bus if it
// is the default one.
func (r *Rule) ARN() string {
	return Resource{Kind: "rule", Account: r.Account, Region: r.Region, Name: r.Name}.ARN()
}

// Parts are the name of the bus and the rule's own.
func (r *Rule) Parts() (bus, name string) {
	bus, name, _ = strings.Cut(r.Name, "/")
	return bus, name
}

// Clone returns a deep copy.
func (r *Rule) Clone() *Rule {
	c := *r
	c.Targets = slices.Clone(r.Targets)
	for i := range c.Targets {
		t := &c.Targets[i]
		t.Paths = maps.Clone(t.Paths)
		t.MaxRetries, t.MaxAge = cloned(t.MaxRetries), cloned(t.MaxAge)
		if t.HTTP != nil {
			t.HTTP = &HTTPParameters{slices.Clone(t.HTTP.Path), maps.Clone(t.HTTP.Header), maps.Clone(t.HTTP.Query)}
		}
	}
	c.Tags = maps.Clone(r.Tags)
	return &c
}

func cloned(n *int) *int {
	if n == nil {
		return nil
	}
	c := *n
	return &c
}

// DefaultMaxBuses and DefaultMaxRules are how many there can be, of all accounts
// together, unless Config says otherwise.
const (
	DefaultMaxBuses = 100_000
	DefaultMaxRules = 1_000_000
)

func buses(limit int) Kind[Bus] {
	return Kind[Bus]{
		Tag: tagBus, Name: "event bus", Version: 1, Limit: limit,
		Meta:  func(b *Bus) *Meta { return &b.Meta },
		Clone: (*Bus).Clone,
		Aside: func(now, old *Bus) { now.Tags = old.Tags },
		Share: func(b, near *Bus) {
			share(&b.Policy, near.Policy)
			share(&b.KMSKeyID, near.KMSKeyID)
		},
	}
}

func rules(limit int) Kind[Rule] {
	return Kind[Rule]{
		Tag: tagRule, Name: "rule", Version: 1, Limit: limit,
		Meta:  func(r *Rule) *Meta { return &r.Meta },
		Clone: (*Rule).Clone,
		Keep:  func(now, old *Rule) { now.Bus, now.CreatedBy = old.Bus, old.CreatedBy },
		Aside: func(now, old *Rule) { now.Tags = old.Tags },
		Share: func(r, near *Rule) {
			share(&r.Pattern, near.Pattern)
			share(&r.RoleARN, near.RoleARN)
			share(&r.CreatedBy, near.CreatedBy)
		},
	}
}

// Buses are the definitions of event buses.
func (r *Registry) Buses() *Table[Bus] { return r.buses }

// Rules are the definitions of rules.
func (r *Registry) Rules() *Table[Rule] { return r.rules }
