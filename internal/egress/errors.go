package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// Kind says at which point a request failed.
type Kind string

// Kinds of failures.
const (
	BadRequest  Kind = "bad request" // it cannot be sent as it is
	Forbidden   Kind = "forbidden"   // the rules do not let it go there
	NotResolved Kind = "dns"         // its name has no address
	NotReached  Kind = "connect"     // nobody takes the connection
	NotTrusted  Kind = "tls"         // no agreement on TLS, or a certificate that does not hold
	TimedOut    Kind = "timeout"     // the time limit passed before there was an answer
	Broken      Kind = "broken"      // what came back is no answer, or the connection ended
	TooLarge    Kind = "too large"   // the answer has no room
	CalledOff   Kind = "called off"  // the caller's context ended
)

// Error is why there is no answer. Its text names the host and no secret.
type Error struct {
	Kind Kind
	Err  error
}

func (e *Error) Error() string { return string(e.Kind) + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func failed(k Kind, format string, args ...any) error {
	return &Error{k, fmt.Errorf(format, args...)}
}

// judged gives an error of net/http its kind.
func judged(ctx context.Context, expired bool, err error) error {
	var (
		own    *Error
		dns    *net.DNSError
		op     *net.OpError
		verify *tls.CertificateVerificationError
		header tls.RecordHeaderError
		alert  tls.AlertError
		host   x509.HostnameError
	)
	kind := Broken
	switch {
	case errors.As(err, &own) && (!expired || own.Kind == Forbidden):
		return own
	case expired:
		kind, err = TimedOut, errors.New("there was no answer in time")
	case ctx.Err() != nil:
		kind, err = CalledOff, ctx.Err()
	case errors.As(err, &dns):
		kind = NotResolved
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &verify), errors.As(err, &header), errors.As(err, &alert), errors.As(err, &host):
		kind = NotTrusted
	case errors.As(err, &op) && op.Op == "remote error": // an alert of TLS
		kind = NotTrusted
	case errors.As(err, &op) && op.Op == "dial":
		kind = NotReached
	}
	return &Error{kind, err}
}
