package registry

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// SecretText is a text that is stored and never shown: however it is printed or logged,
// it comes out as asterisks. Convert it to a string to use it.
type SecretText string

const hidden = "****"

// String hides the text.
func (SecretText) String() string { return hidden }

// GoString hides the text.
func (SecretText) GoString() string { return hidden }

// MarshalJSON hides the text.
func (SecretText) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// States of connections.
const (
	Authorizing  = "AUTHORIZING" // there is no token yet
	Authorized   = "AUTHORIZED"
	Deauthorized = "DEAUTHORIZED"
)

// Connection is the definition of how requests to API destinations are authorized. A
// Connection that came out of a Registry is shared and must not be changed; Clone it
// first.
type Connection struct {
	Meta

	Description string `cbor:"10,keyasint,omitempty"`
	// Type is BASIC, API_KEY or OAUTH_CLIENT_CREDENTIALS.
	Type string `cbor:"11,keyasint,omitempty"`
	// State is one of those above, StateReason why, "" if that goes without saying.
	State       string `cbor:"12,keyasint,omitempty"`
	StateReason string `cbor:"13,keyasint,omitempty"`
	// LastAuthorized is when it became Authorized, in Unix seconds; 0: never.
	LastAuthorized int64  `cbor:"14,keyasint,omitempty"`
	KMSKeyID       string `cbor:"15,keyasint,omitempty"`

	// Name of the user, the API key or the client, and its secret; "" once Deauthorize
	// took them away.
	Client string     `cbor:"16,keyasint,omitempty"`
	Secret SecretText `cbor:"17,keyasint,omitempty"`
	// OAuth says where tokens come from; nil of other types.
	OAuth *OAuth `cbor:"18,keyasint,omitempty"`
	// Parameters that every request gets.
	Parameters []Parameter `cbor:"19,keyasint,omitempty"`
	// Version of what authorizes: it rises with each change of Client, Secret or OAuth.
	Version uint64 `cbor:"20,keyasint,omitempty"`
}

// OAuth says how a token is asked for.
type OAuth struct {
	Endpoint   string      `cbor:"1,keyasint"`
	Method     string      `cbor:"2,keyasint"` // GET, POST or PUT
	Parameters []Parameter `cbor:"3,keyasint,omitempty"`
}

// Places of a Parameter.
const (
	InHeader = "header"
	InQuery  = "query"
	InBody   = "body"
)

// Parameter is something that a request carries beside its own.
type Parameter struct {
	Place string     `cbor:"1,keyasint"`
	Key   string     `cbor:"2,keyasint"`
	Value SecretText `cbor:"3,keyasint,omitempty"`
	// Secret values are not shown to anybody.
	Secret bool `cbor:"4,keyasint,omitempty"`
}

// ARN of the connection: arn:aws:events:region:account:connection/name/uuid.
func (c *Connection) ARN() string {
	return Resource{Kind: "connection", Account: c.Account, Region: c.Region, Name: c.Name + "/" + c.uuid("connection")}.ARN()
}

// SecretARN is what the service calls the place of the secrets; they stand in the
// registry.
func (c *Connection) SecretARN() string {
	sum := sha256.Sum256([]byte("secret " + c.uuid("connection")))
	return arnPrefix + "secretsmanager:" + c.Region + ":" + c.Account + ":secret:events!connection/" + c.Name + "/" +
		c.uuid("connection") + "-" + hex.EncodeToString(sum[:3])
}

// uuid of an incarnation, made of its ID (version 8): what is made again under its name
// has another.
func (m *Meta) uuid(kind string) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(kind+" "), m.ID))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Clone returns a deep copy.
func (c *Connection) Clone() *Connection {
	d := *c
	d.Parameters = slices.Clone(c.Parameters)
	if c.OAuth != nil {
		o := *c.OAuth
		o.Parameters = slices.Clone(o.Parameters)
		d.OAuth = &o
	}
	return &d
}

// APIDestination is the definition of an HTTP endpoint that rules send events to. One
// that came out of a Registry is shared and must not be changed; Clone it first.
type APIDestination struct {
	Meta

	Description   string `cbor:"10,keyasint,omitempty"`
	ConnectionARN string `cbor:"11,keyasint"`
	// Endpoint is the URL, with * in its path for each path parameter.
	Endpoint string `cbor:"12,keyasint"`
	Method   string `cbor:"13,keyasint"`
	// PerSecond is how many requests are made a second at most.
	PerSecond int `cbor:"14,keyasint"`
	// Partition on which events wait for the endpoint. Set once.
	Partition uint32 `cbor:"15,keyasint,omitempty"`
}

// ARN of the destination: arn:aws:events:region:account:api-destination/name/uuid.
func (d *APIDestination) ARN() string {
	return Resource{Kind: "api-destination", Account: d.Account, Region: d.Region, Name: d.Name + "/" + d.uuid("api-destination")}.ARN()
}

// Clone returns a copy; there is nothing deep.
func (d *APIDestination) Clone() *APIDestination {
	c := *d
	return &c
}

// HTTPParameters are what a target adds to the requests to an API destination. Values
// that are paths into the event ($.detail.id) stand for what they find.
type HTTPParameters struct {
	Path   []string          `cbor:"1,keyasint,omitempty"` // for each * of the endpoint
	Header map[string]string `cbor:"2,keyasint,omitempty"`
	Query  map[string]string `cbor:"3,keyasint,omitempty"`
}

// DefaultMaxConnections and DefaultMaxAPIDestinations are how many there can be, of all
// accounts together, unless Config says otherwise.
const (
	DefaultMaxConnections     = 100_000
	DefaultMaxAPIDestinations = 100_000
)

// AllAPIDestinations is the index of APIDestinations by which they are all found, under
// "all".
const AllAPIDestinations = 0

func connections(limit int) Kind[Connection] {
	return Kind[Connection]{
		Tag: tagConnection, Name: "connection", Version: 1, Limit: limit,
		Meta:  func(c *Connection) *Meta { return &c.Meta },
		Clone: (*Connection).Clone,
		Aside: func(now, old *Connection) {
			now.State, now.StateReason, now.LastAuthorized = old.State, old.StateReason, old.LastAuthorized
		},
	}
}

func apiDestinations(limit int) Kind[APIDestination] {
	return Kind[APIDestination]{
		Tag: tagAPIDestination, Name: "API destination", Version: 1, Limit: limit,
		Meta:    func(d *APIDestination) *Meta { return &d.Meta },
		Clone:   (*APIDestination).Clone,
		Keep:    func(now, old *APIDestination) { now.Partition = old.Partition },
		Indexes: []func(*APIDestination) string{func(*APIDestination) string { return "all" }},
	}
}

// Connections are the definitions of connections.
func (r *Registry) Connections() *Table[Connection] { return r.connections }

// APIDestinations are the definitions of API destinations.
func (r *Registry) APIDestinations() *Table[APIDestination] { return r.apiDestinations }
