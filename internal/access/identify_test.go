package access

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// TestIdentifyBeforeTheBody holds what is known before a byte of the body is
// read against what only the body can tell.
func TestIdentifyBeforeTheBody(t *testing.T) {
	t.Parallel()
	a := keyed(t)
	body := []byte(`{"QueueUrl":"q"}`)
	for _, tt := range []struct {
		name            string
		sent            string // X-Amz-Content-Sha256
		signed, pending bool   // after Identify
		other           error  // of Confirm with another body
	}{
		{"no hash named", "", false, true, ErrSignature},
		{"hash named", payload(body), true, true, ErrSignature},
		{"payload not signed", unsignedPayload, true, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("POST", "http://host/", bytes.NewReader(body))
			if tt.sent != "" {
				r.Header.Set("X-Amz-Content-Sha256", tt.sent)
			}
			hash := payload(body)
			if tt.sent == unsignedPayload {
				hash = unsignedPayload
			}
			if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret},
				r, hash, "sqs", "eu-west-1", testNow); err != nil {
				t.Fatal(err)
			}
			c, err := a.Identify(r)
			if err != nil {
				t.Fatal(err)
			}
			if c.Signed() != tt.signed || c.Pending() != tt.pending || c.Key() != testKey {
				t.Errorf("signed %v, pending %v, key %q", c.Signed(), c.Pending(), c.Key())
			}
			if tt.signed != (c.Principal.Account == "123456789012") {
				t.Errorf("principal %+v", c.Principal)
			}
			forged := c
			if err := a.Confirm(&forged, r, []byte("other")); !errors.Is(err, tt.other) && err != tt.other {
				t.Errorf("another body: %v", err)
			}
			if err := a.Confirm(&c, r, body); err != nil || c.Pending() || c.Principal.Account != "123456789012" {
				t.Errorf("%v, claim %+v", err, c)
			}
		})
	}
}
