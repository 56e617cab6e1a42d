// Package apitest is what the tests of the APIs have in common: calls as the pipeline makes
// them, and errors as clients see them.
package apitest

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// Call is a call of an account's root.
func Call(account, region string, p protocol.Protocol) *protocol.Call {
	return &protocol.Call{
		Account: account, Region: region, Host: "localhost:4566", Scheme: "http", Protocol: p,
		Principal: access.Root(account), Header: http.Header{}, SourceIP: "10.1.2.3",
	}
}

// WantError checks code and message; a message that ends in … needs to begin so only. With
// code "" it wants no error.
func WantError(t testing.TB, err error, code, message string) {
	t.Helper()
	wantError(t, err, code, message, func(e *protocol.Error) string { return e.Code })
}

// WantQueryError is WantError with the code as the Query protocol spells it.
func WantQueryError(t testing.TB, err error, code, message string) {
	t.Helper()
	wantError(t, err, code, message, func(e *protocol.Error) string {
		if e.QueryCode != "" {
			return e.QueryCode
		}
		return e.Code
	})
}

func wantError(t testing.TB, err error, code, message string, codeOf func(*protocol.Error) string) {
	t.Helper()
	var gotCode, gotMessage string
	var e *protocol.Error
	var a *access.Error
	switch {
	case err == nil && code == "":
		return
	case errors.As(err, &e):
		gotCode, gotMessage = codeOf(e), e.Message
	case errors.As(err, &a):
		gotCode, gotMessage = a.Code, a.Message
	default:
		t.Fatalf("error %v (%T), want %s: %s", err, err, code, message)
	}
	prefix, partial := strings.CutSuffix(message, "…")
	if gotCode != code || gotMessage != message && (!partial || !strings.HasPrefix(gotMessage, prefix)) {
		t.Errorf("error\n  got  %s: %s\n  want %s: %s", gotCode, gotMessage, code, message)
	}
}
