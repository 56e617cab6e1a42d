package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// TestSignerAgreesWithSDK signs the same requests with the AWS SDK's signer.
func TestSignerAgreesWithSDK(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 2, 28, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name      string
		cred      Credentials
		url       string
		operation string
		body      string
		at        time.Time
	}{
		{"plain", Credentials{Key: "AKID", Secret: "secret", Region: "us-east-1"}, "http://127.0.0.1:4566", "SendMessage", `{"a":1}`, noon},
		{"empty body object", Credentials{Key: "AKID", Secret: "secret", Region: "eu-west-3"}, "http://localhost:4566", "ListQueues", `{}`, noon},
		{"token", Credentials{Key: "AKID", Secret: "s/+=", Token: "tok/en==", Region: "eu-central-1"}, "https://sqs.eu-central-1.amazonaws.com", "ReceiveMessage", `{"QueueUrl":"x"}`, noon},
		{"last second of a day", Credentials{Key: "000000000000", Secret: "x", Region: "us-west-2"}, "https://example.com:8443", "DeleteMessage", strings.Repeat("é", 300), noon.Add(12*time.Hour - time.Second)},
		{"default port", Credentials{Key: "k", Secret: "x", Region: "us-west-2"}, "http://example.com:80", "SendMessage", `{}`, noon},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ep, err := newEndpoint(tt.url, tt.cred)
			if err != nil {
				t.Fatal(err)
			}
			s := newSigner(tt.cred, ep.host)
			// A signer that was used before must not keep what has changed.
			for _, at := range []time.Time{tt.at.Add(-24 * time.Hour), tt.at.Add(-time.Second), tt.at} {
				date := s.at(at)
				got := string(s.authorization(nil, tt.operation, []byte(tt.body)))
				if want := sdkAuthorization(t, tt.url, tt.cred, tt.operation, tt.body, at); got != want {
					t.Errorf("at %v:\n got %s\nwant %s", at, got, want)
				}
				if date != at.UTC().Format(amzDate) {
					t.Errorf("date %q", date)
				}
			}
		})
	}
}

func sdkAuthorization(t *testing.T, url string, cred Credentials, operation, body string, at time.Time) string {
	t.Helper()
	req, err := http.NewRequest("POST", url+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Amz-Target", targetStart+operation)
	sum := sha256.Sum256([]byte(body))
	err = v4.NewSigner().SignHTTP(context.Background(),
		aws.Credentials{AccessKeyID: cred.Key, SecretAccessKey: cred.Secret, SessionToken: cred.Token},
		req, hex.EncodeToString(sum[:]), service, cred.Region, at)
	if err != nil {
		t.Fatal(err)
	}
	return req.Header.Get("Authorization")
}

func BenchmarkRequest(b *testing.B) {
	cred := Credentials{Key: "AKID", Secret: "secret", Region: "us-east-1"}
	ep, err := newEndpoint("http://127.0.0.1:4566", cred)
	if err != nil {
		b.Fatal(err)
	}
	c := ep.open()
	var body []byte
	b.ReportAllocs()
	for b.Loop() {
		now := time.Now()
		body = appendSend(body[:0], "http://127.0.0.1:4566/000000000000/bench", 1024, now, 1, 0, false)
		c.request(now, "SendMessage", body)
	}
}
