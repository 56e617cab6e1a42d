package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/waystation/waystation/test/harness"
)

// presign makes a GET of the Query protocol that anybody with the link can
// send.
func presign(t *testing.T, target string, params url.Values, key, secret string, expires string, at time.Time) string {
	t.Helper()
	params.Set("Version", "2012-11-05")
	params.Set("X-Amz-Expires", expires)
	req, err := http.NewRequest(http.MethodGet, target+"?"+params.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	empty := sha256.Sum256(nil)
	signed, _, err := v4.NewSigner().PresignHTTP(bound(t), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, req,
		hex.EncodeToString(empty[:]), "sqs", harness.Region, at)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func get(t *testing.T, link string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(bound(t), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := harness.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// queryError is the error answer of the Query protocol.
type queryError struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Error   struct {
		Type, Code, Message string
	}
	RequestID string `xml:"RequestId"`
}

func parseQueryError(t *testing.T, body string) queryError {
	t.Helper()
	var e queryError
	if err := xml.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("not an error answer of the Query protocol: %v\n%s", err, body)
	}
	return e
}

func TestPresignedRequests(t *testing.T) {
	t.Parallel()
	base := guardedURL(t)
	c := harness.SQS(base, owner)
	queueURL := queue(t, c, nil)
	params := func() url.Values {
		return url.Values{"Action": {"SendMessage"}, "MessageBody": {"by link: größe + 1%"}}
	}
	link := presign(t, queueURL, params(), "AKOWNER", "owner-secret", "300", time.Now())
	if status, body := get(t, link); status != http.StatusOK || !strings.Contains(body, "<SendMessageResponse") {
		t.Fatalf("%d %s", status, body)
	}
	if m := one(t, c, queueURL); *m.Body != "by link: größe + 1%" {
		t.Errorf("received %q", *m.Body)
	}
	for what, test := range map[string]struct {
		link string
		code string
	}{
		"changed":      {strings.Replace(link, "link", "trick", 1), "SignatureDoesNotMatch"},
		"wrong secret": {presign(t, queueURL, params(), "AKOWNER", "guess", "300", time.Now()), "SignatureDoesNotMatch"},
		"expired":      {presign(t, queueURL, params(), "AKOWNER", "owner-secret", "60", time.Now().Add(-2*time.Minute)), "RequestExpired SignatureDoesNotMatch AccessDenied"},
		"too long":     {presign(t, queueURL, params(), "AKOWNER", "owner-secret", "604801", time.Now()), ""},
		"stranger":     {presign(t, queueURL, params(), "AKOTHER", "other-secret", "300", time.Now()), "AccessDenied"},
	} {
		t.Run(what, func(t *testing.T) {
			status, body := get(t, test.link)
			e := parseQueryError(t, body)
			if status < 400 || status > 499 || e.Error.Code == "" || (test.code != "" && !strings.Contains(test.code, e.Error.Code)) {
				t.Errorf("%d %s, want %s", status, e.Error.Code, test.code)
			}
		})
	}
	wantCounts(t, c, queueURL, "0", "1", "0")
}
