package protocol

import (
	"reflect"
	"strings"
	"sync"

	"github.com/waystation/waystation/internal/access"
)

// Error is an error that clients see.
type Error struct {
	Code      string // JSON shape name: "QueueDoesNotExist"
	QueryCode string // Query code: "AWS.SimpleQueueService.NonExistentQueue"; "" = Code
	Status    int    // HTTP status; 0 = 400, or 500 with Receiver
	Receiver  bool   // our fault rather than the sender's
	Message   string // one sentence, fit for the client
	// Detail is a struct, as outputs are, of the members that the error has beside
	// its message, or nil. A member called message, in any case, stands for Message.
	Detail any
}

// Error gives code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Is compares by Code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// details are the plans of all types of Error.Detail: as many as the program has.
var details sync.Map // reflect.Type -> *plan

// detail gives the error's own members and their plan, nil if there are none or
// they cannot be written.
func (e *Error) detail() (*plan, reflect.Value) {
	v := reflect.Indirect(reflect.ValueOf(e.Detail))
	if !v.IsValid() {
		return nil, v
	}
	known, ok := details.Load(v.Type())
	if !ok {
		p, err := planner{}.plan(v.Type())
		if err != nil || p.kind != kindStruct {
			p = nil
		}
		known, _ = details.LoadOrStore(v.Type(), p)
	}
	return known.(*plan), v
}

// hasMessage reports whether Message is to be written, beside members of plan p.
func (e *Error) hasMessage(p *plan) bool {
	if p == nil {
		return true
	}
	for i := range p.fields {
		if strings.EqualFold(p.fields[i].name, "message") {
			return false
		}
	}
	return e.Message != ""
}

func (e *Error) queryCode() string {
	if e.QueryCode != "" {
		return e.QueryCode
	}
	return e.Code
}

func (e *Error) status() int {
	switch {
	case e.Status != 0:
		return e.Status
	case e.Receiver:
		return 500
	}
	return 400
}

// MissingParameter refuses a request that lacks a required parameter.
func MissingParameter(name string) *Error {
	return &Error{Code: "MissingRequiredParameterException", QueryCode: "MissingParameter",
		Message: "The request must contain the parameter " + name + "."}
}

// InvalidParameterValue refuses a parameter's value; message is AWS's sentence, for
// instance "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: …".
func InvalidParameterValue(message string) *Error {
	return &Error{Code: "InvalidParameterValueException", QueryCode: "InvalidParameterValue", Message: message}
}

// AccessDenied refuses an authenticated caller.
func AccessDenied(message string) *Error {
	return &Error{Code: "AccessDeniedException", QueryCode: "AccessDenied", Status: 403, Message: message}
}

// Unavailable asks the client to try again later (503, which SDKs retry).
func Unavailable(message string) *Error {
	return &Error{Code: "ServiceUnavailable", Status: 503, Receiver: true, Message: message}
}

// overloaded refuses what finds no room; respond puts it in the API's words.
func overloaded() *Error {
	return &Error{Code: codeOverloaded, QueryCode: "ServiceUnavailable", Status: 503, Receiver: true,
		Message: "The server has too much to do at the moment. Please reduce your request rate and try again."}
}

// codeOverloaded marks such errors until they are put in the API's words.
const codeOverloaded = "Overloaded"

// word puts what the front itself says into the API's words.
func (d *Dialect) word(e *Error) *Error {
	if e.Code == codeOverloaded {
		if d != nil && d.Overloaded != nil {
			return d.Overloaded
		}
		worded := *e
		worded.Code = e.QueryCode
		return &worded
	}
	if d == nil || d.Codes[e.Code] == "" {
		return e
	}
	worded := *e
	worded.Code = d.Codes[e.Code]
	return &worded
}

// Throttled asks the client to slow down (SDKs back off and retry).
func Throttled(message string) *Error {
	return &Error{Code: "ThrottlingException", QueryCode: "RequestThrottled", Status: 403, Message: message}
}

// InternalFailure hides what went wrong inside.
func InternalFailure() *Error {
	return &Error{Code: "InternalFailure", Status: 500, Receiver: true,
		Message: "We encountered an internal error. Please try again."}
}

// accessCodes are the JSON names of access's codes.
var accessCodes = map[string]string{
	"MissingAuthenticationToken": "MissingAuthenticationTokenException",
	"IncompleteSignature":        "IncompleteSignatureException",
	"InvalidClientTokenId":       "UnrecognizedClientException",
	"SignatureDoesNotMatch":      "InvalidSignatureException",
	"AccessDenied":               "AccessDeniedException",
	"ExpiredToken":               "ExpiredTokenException",
}

// fromAccess makes an Error of an access.Error.
func fromAccess(a *access.Error) *Error {
	e := &Error{Code: a.Code, QueryCode: a.Code, Status: a.Status, Message: a.Message}
	if name := accessCodes[a.Code]; name != "" {
		e.Code = name
	}
	return e
}

func methodNotAllowed(method, allowed string) *Error {
	return &Error{Code: "MethodNotAllowed", Status: 405,
		Message: "The method " + clip([]byte(method)) + " is not allowed here; use " + allowed + "."}
}

func notImplemented(s *service, op *operation) *Error {
	msg := "The operation " + op.Name + " of " + s.Title + " is not implemented yet."
	return &Error{Code: "NotImplemented", Status: 501, Receiver: true, Message: msg}
}

// Echo is what an error repeats of a text in a request: at most so many bytes of it.
func Echo(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
