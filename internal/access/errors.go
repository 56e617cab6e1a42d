package access

// Error is a refusal. Code is AWS's code in its Query spelling (for instance
// "SignatureDoesNotMatch"), Status the HTTP status, Message one sentence that is
// fit for the client.
type Error struct {
	Code    string
	Status  int
	Message string
}

// Error gives code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Is makes errors.Is compare by code, so that the sentinels below match whatever
// message an error carries.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Sentinels for errors.Is; the errors returned carry a message of their own.
var (
	// ErrMissingToken: the request carries no signature at all. Authenticate then
	// also returns a Principal with Anonymous set, which a resource policy may let in.
	ErrMissingToken = &Error{Code: "MissingAuthenticationToken", Status: 403,
		Message: "Request is missing Authentication Token"}
	// ErrIncompleteSignature: the signature lacks parts or is malformed.
	ErrIncompleteSignature = &Error{Code: "IncompleteSignature", Status: 400,
		Message: "The request signature does not conform to AWS standards."}
	// ErrInvalidToken: no such access key, or an unknown session token.
	ErrInvalidToken = &Error{Code: "InvalidClientTokenId", Status: 403,
		Message: "The security token included in the request is invalid."}
	// ErrSignature: the signature is wrong, too old, from the future, or made for
	// another service.
	ErrSignature = &Error{Code: "SignatureDoesNotMatch", Status: 403,
		Message: "The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
	// ErrExpired: a presigned request is used after its X-Amz-Expires.
	ErrExpired = &Error{Code: "RequestExpired", Status: 400, Message: "Request has expired."}
	// ErrExpiredToken: temporary credentials whose time is over.
	ErrExpiredToken = &Error{Code: "ExpiredToken", Status: 403,
		Message: "The security token included in the request is expired"}
	// ErrAccessDenied: authenticated, but not allowed.
	ErrAccessDenied = &Error{Code: "AccessDenied", Status: 403, Message: "Access to the resource is denied."}
)

func incomplete(msg string) error {
	return &Error{Code: ErrIncompleteSignature.Code, Status: 400, Message: msg}
}

func mismatch(msg string) error {
	return &Error{Code: ErrSignature.Code, Status: 403, Message: msg}
}
