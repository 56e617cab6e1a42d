package access

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func openAccess(t testing.TB, cfg Config) *Access {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOpenServerAndBrowsers(t *testing.T) {
	t.Parallel()
	const mozilla = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
	a := openAccess(t, Config{Hosts: []string{"Waystation", "*.orders.test"}, Origins: []string{"http://app.test:3000"}})
	for _, tt := range []struct {
		name, method, target, host string
		header                     string // "Name: value|Name: value"
		refused                    string // part of the sentence, "" = let in
	}{
		{"SDK", "POST", "/", "localhost:4566", "User-Agent: aws-sdk-go-v2/1.4", ""},
		{"curl", "GET", "/?Action=CreateQueue&QueueName=a", "127.0.0.1:4566", "User-Agent: curl/8.5.0", ""},
		{"IPv6", "POST", "/", "[::1]:4566", "", ""},
		{"IPv6 without port", "POST", "/", "[::1]", "", ""},
		{"other loopback", "POST", "/", "127.1.2.3", "", ""},
		{"below localhost", "POST", "/", "SQS.us-east-1.LOCALHOST.:4566", "", ""},
		{"named", "POST", "/", "waystation:4566", "", ""},
		{"named below", "POST", "/", "sqs.orders.test", "", ""},
		{"named suffix only", "POST", "/", "orders.test", "", "--open-hosts"},
		{"rebinding", "POST", "/", "evil.example", "", "--open-hosts"},
		{"rebinding, page of the same origin", "POST", "/", "evil.example", "Origin: http://evil.example|Sec-Fetch-Site: same-origin", "--open-hosts"},
		{"other machine's address", "POST", "/", "10.0.0.1:4566", "", "--open-hosts"},
		{"looks like localhost", "POST", "/", "localhost.evil.example", "", "--open-hosts"},
		{"no host", "POST", "/", "", "", "--open-hosts"},
		{"form of another site", "POST", "/", "localhost:4566", "Origin: https://evil.example", "--cors-origins"},
		{"form of a file", "POST", "/", "localhost:4566", "Origin: null", "--cors-origins"},
		{"page of another port", "POST", "/", "localhost:4566", "Origin: http://localhost:3000|Sec-Fetch-Site: same-site", "--cors-origins"},
		{"named page", "POST", "/", "localhost:4566", "Origin: http://app.test:3000|Sec-Fetch-Site: cross-site", ""},
		{"own page", "POST", "/", "localhost:4566", "Origin: http://localhost:4566|Sec-Fetch-Site: same-origin", ""},
		{"own page reads", "GET", "/?Action=DeleteQueue", "localhost:4566", "Sec-Fetch-Site: same-origin", ""},
		{"image", "GET", "/?Action=DeleteQueue", "localhost:4566", "Sec-Fetch-Site: cross-site|User-Agent: " + mozilla, "--cors-origins"},
		{"image of an old browser", "GET", "/?Action=DeleteQueue", "localhost:4566", "User-Agent: " + mozilla, "--cors-origins"},
		{"form of an old browser", "POST", "/", "localhost:4566", "User-Agent: " + mozilla, "--cors-origins"},
		{"SDK that calls itself a browser", "POST", "/", "localhost:4566", "User-Agent: " + mozilla + "|Authorization: AWS4-HMAC-SHA256 x", ""},
		{"link with a name and password", "GET", "/?Action=DeleteQueue", "localhost:4566", "User-Agent: " + mozilla + "|Authorization: Basic YTpi", "only read"},
		{"link in a mail", "GET", "/?Action=DeleteQueue", "localhost:4566", "Sec-Fetch-Site: none", "only read"},
		{"action written otherwise", "GET", "/?A%63tion=DeleteQueue", "localhost:4566", "Sec-Fetch-Site: none", "only read"},
		{"address typed in", "GET", "/?Action=ListQueues", "localhost:4566", "Sec-Fetch-Site: none|User-Agent: " + mozilla, ""},
		{"link with an action among many parameters", "GET", "/?Action=DeleteQueue" + strings.Repeat("&", 10001), "localhost:4566", "Sec-Fetch-Site: none", "only read"},
		{"link with an action in disguise", "GET", "/?%41ction=DeleteQueue", "localhost:4566", "Sec-Fetch-Site: none", "only read"},
		{"receiving is no reading", "GET", "/?Action=ReceiveMessage", "localhost:4566", "Sec-Fetch-Site: none", "only read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tt.method, tt.target, nil)
			r.Host = tt.host
			for h := range strings.SplitSeq(tt.header, "|") {
				if name, value, ok := strings.Cut(h, ": "); ok {
					r.Header.Set(name, value)
				}
			}
			_, err := a.Identify(r)
			switch {
			case tt.refused == "" && err != nil:
				t.Error(err)
			case tt.refused != "" && (!errors.Is(err, ErrAccessDenied) || !strings.Contains(err.Error(), tt.refused)):
				t.Errorf("got %v, want a refusal with %q", err, tt.refused)
			}
		})
	}
}

func TestRegions(t *testing.T) {
	t.Parallel()
	for region, ok := range map[string]bool{
		"us-east-1": true, "local": true, "EU-1": true, strings.Repeat("a", 63): true,
		"": false, "eu.west": false, "-eu": false, "eu-": false, "eu_west": false, strings.Repeat("a", 64): false,
		"x:123456789012:orders-": false, "*": false, "eu west": false, "eü": false,
	} {
		if IsRegion(region) != ok {
			t.Errorf("IsRegion(%q) = %v", region, !ok)
		}
	}
	a := openAccess(t, Config{})
	for _, region := range []string{"eu.west", "x:123456789012:orders-"} {
		r := httptest.NewRequest("POST", "http://localhost/", nil)
		r.Header.Set("Authorization", algorithm+" Credential=test/20260301/"+region+"/sqs/aws4_request, SignedHeaders=host, Signature=0")
		if _, err := a.Identify(r); !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), region) {
			t.Errorf("open mode, %s: %v", region, err)
		}
		k := keyed(t)
		r = httptest.NewRequest("POST", "http://localhost/", nil)
		if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret},
			r, emptyHash, "sqs", region, testNow); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Identify(r); !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), region) {
			t.Errorf("keyed mode, %s: %v", region, err)
		}
	}
}
