package protocol

import (
	"context"
	"net/http"
	"time"

	"github.com/waystation/waystation/internal/access"
)

// Protocol is a wire protocol.
type Protocol int

// The protocols spoken.
const (
	JSON      Protocol = iota + 1 // AWS JSON 1.0 and 1.1
	Query                         // form parameters in, XML out
	RESTJSON                      // method, path, query and headers, JSON documents
	CBOR                          // AWS JSON 1.1's routing with CBOR documents
	RPCv2CBOR                     // Smithy RPC v2 with CBOR documents
)

// String names the protocol as botocore does.
func (p Protocol) String() string {
	switch p {
	case JSON:
		return "json"
	case Query:
		return "query"
	case RESTJSON:
		return "rest-json"
	case CBOR:
		return "cbor"
	case RPCv2CBOR:
		return "smithy-rpc-v2-cbor"
	}
	return "unknown"
}

// Status says how much of an operation is there.
type Status int

// Statuses of operations.
const (
	Works  Status = iota // all of it
	Partly               // Note says what is missing
	NotYet               // answered with an error that says so
)

// String is the word used in docs/compatibility.md.
func (s Status) String() string {
	switch s {
	case Works:
		return "works"
	case Partly:
		return "partly"
	case NotYet:
		return "not yet"
	}
	return "unknown"
}

// API is one AWS API: how it is recognised on the wire, what it bounds, and the
// table of its operations, from which requests are routed and
// docs/compatibility.md is made.
type API struct {
	Name    string // service of the credential scope and of error types: "sqs"
	Title   string // for documents: "Simple Queue Service"
	Version string // Query version: "2012-11-05"

	// The protocols that it speaks, one at least.
	Target string // JSON: prefix of X-Amz-Target: "AmazonSQS"; "" = speaks no JSON
	JSON   string // JSON version: "1.0" or "1.1"
	// Namespace of XML answers: "http://queue.amazonaws.com/doc/2012-11-05/".
	// "" = speaks no Query.
	Namespace string
	REST      bool   // REST-JSON: every operation has a Route
	CBOR      bool   // documents in CBOR beside JSON, by the same X-Amz-Target
	RPC       string // RPC v2 CBOR: the service's name in paths, "" = does not speak it

	// QueryErrorHeader adds x-amzn-query-error to JSON errors (APIs that moved
	// from Query to JSON and keep their old error codes).
	QueryErrorHeader bool
	// PathMember names the string member of inputs that a request path other than
	// "/" stands for in Query requests that leave it out: "QueueUrl" for SQS. It
	// is set to the whole URL without its query string.
	PathMember string

	// MaxBody bounds request bodies, in bytes, also of what comes out of a
	// compressed one; 0 = Config.MaxBody. Operations may differ, see MaxBody.
	MaxBody int64
	Dialect Dialect
	// Elsewhere: another server has it; what is asked here is answered by a request to
	// come back, which may then reach one that has.
	Elsewhere bool
	// ConditionKeys are the keys that policies may ask of its requests, beside
	// those that access knows for all.
	ConditionKeys []string
	// Authorize, if set, is asked between decoding and the operation's handler;
	// without it the handlers ask themselves.
	Authorize func(ctx context.Context, c *Call, op *Operation, in any) error
	// Sections are further parts of its page in docs/compatibility.md.
	Sections []Section

	Operations []Operation
}

// Dialect is how an API words what the front itself refuses.
type Dialect struct {
	// Codes gives the API's own names (in JSON's spelling) for codes that the front
	// makes: {"SerializationException": "ValidationException"}.
	Codes map[string]string
	// Overloaded is the error for "come back later"; nil = ServiceUnavailable, 503.
	Overloaded *Error
}

// Section is a part of an API's page in docs/compatibility.md: a table of Rows
// headed by Head, then Items as a list.
type Section struct {
	Title string
	Head  [3]string // of the columns: "Attribute", "Status", "Notes"
	Rows  []Row
	Items []string
}

// Row is a row of such a table.
type Row struct {
	Name   string
	Status Status
	Note   string
}

// Call is what a handler may want to know of a request besides its input. It must
// not be kept after the handler has returned.
type Call struct {
	API       *API
	Operation string
	Account   string // the caller's, "" when anonymous
	Region    string // of the signature's scope, else access.DefaultRegion
	Principal access.Principal
	Host      string // as in the Host header, with port
	Scheme    string // "http" or "https"
	Path      string
	SourceIP  string // the client's, as far as trusted proxies tell; "" when one hides it
	RequestID string
	Protocol  Protocol
	Header    http.Header // read only
	Received  time.Time   // when the request was read, by Config.Now
	// Body is the request's body, of operations with StreamBody only: read it
	// to its end, whose error says whether it was the one that was signed.
	Body Body
	// Unanswered, if the operation sets it, is called when the operation has succeeded
	// and nothing of its answer will be written: there was no room for it, or the client
	// is gone. It undoes what was done for the client's eyes only.
	Unanswered func(ctx context.Context)
}
