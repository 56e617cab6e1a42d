package conformance

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
)

// TestOpenServerAndWebPages does what web pages can have a browser do to a server
// on their reader's machine. SDKs and curl are what all other tests use.
func TestOpenServerAndWebPages(t *testing.T) {
	t.Parallel()
	base := endpoint(t)
	c := harness.SQS(base)
	u := queue(t, c, nil)
	if err := sendTo(t, c, u); err != nil {
		t.Fatal(err)
	}
	ask := func(method, target, body string, header map[string]string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(bound(t), method, base+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for k, v := range header {
			if k == "Host" {
				r.Host = v
			} else {
				r.Header.Set(k, v)
			}
		}
		resp, err := harness.HTTP().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	purge := "Action=PurgeQueue&QueueUrl=" + url.QueryEscape(u)
	for what, tt := range map[string]struct {
		method, target, body string
		header               map[string]string
		says                 string
	}{
		"rebinding makes a queue":  {"POST", "/", "Action=CreateQueue&QueueName=evil", map[string]string{"Host": "evil.example"}, "--open-hosts"},
		"rebinding reads a queue":  {"GET", "/?Action=ListQueues", "", map[string]string{"Host": "evil.example", "Sec-Fetch-Site": "same-origin"}, "--open-hosts"},
		"rebinding reads /status":  {"GET", "/status", "", map[string]string{"Host": "evil.example"}, "--open-hosts"},
		"rebinding reads /metrics": {"GET", "/metrics", "", map[string]string{"Host": "evil.example:4566"}, "--open-hosts"},
		"form purges":              {"POST", "/", purge, map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, "--cors-origins"},
		"form of an old browser":   {"POST", "/", purge, map[string]string{"Origin": "https://evil.example"}, "--cors-origins"},
		"image deletes":            {"GET", "/?" + strings.Replace(purge, "Purge", "Delete", 1), "", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}, "--cors-origins"},
		"link in a mail deletes":   {"GET", "/?" + strings.Replace(purge, "Purge", "Delete", 1), "", map[string]string{"Sec-Fetch-Site": "none"}, "only read"},
	} {
		status, text := ask(tt.method, tt.target, tt.body, tt.header)
		if status != http.StatusForbidden || !strings.Contains(text, tt.says) {
			t.Errorf("%s: %d %s", what, status, text)
		}
		if strings.Contains(tt.target+tt.body, "Action=") && !strings.Contains(text, "<Code>AccessDenied</Code>") {
			t.Errorf("%s: not in the API's dialect: %s", what, text)
		}
	}
	wantCounts(t, c, u, "1", "0", "0")
	list, err := c.ListQueues(bound(t), &sqs.ListQueuesInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range list.QueueUrls {
		if strings.HasSuffix(found, "/evil") {
			t.Error("a queue was made")
		}
	}
	// What people do themselves goes on working.
	if status, text := ask("GET", "/?Action=ListQueues", "", map[string]string{"User-Agent": "curl/8.5.0"}); status != http.StatusOK {
		t.Errorf("curl: %d %s", status, text)
	}
	if status, text := ask("GET", "/status", "", nil); status != http.StatusOK {
		t.Errorf("/status: %d %s", status, text)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(base, "http://"), ":")
	if status, text := ask("POST", "/", "Action=ListQueues", map[string]string{"Host": "localhost:" + port}); status != http.StatusOK || strings.Contains(text, "<QueueUrl>http://127.0.0.1") {
		t.Errorf("localhost: %d %s", status, text)
	}
}

// TestRegionsThatCannotBe: a region is client text that ends up in ARNs.
func TestRegionsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, base := range []string{endpoint(t), guardedURL(t)} {
		_, err := harness.SQS(base, owner, harness.In("eu.west")).ListQueues(bound(t), &sqs.ListQueuesInput{})
		wantCode(t, err, "SignatureDoesNotMatch", "InvalidSignatureException")
		wantStatus(t, err, http.StatusForbidden)
	}
}

// TestOpenServerKeepsPolicies: a policy that denies plain HTTP, as CDK and
// Terraform write it, is shown and does not lock its queue; nor does it lock out
// the root of a server that enforces policies.
func TestPoliciesThatLock(t *testing.T) {
	t.Parallel()
	lock := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
	open := harness.SQS(endpoint(t))
	u := queue(t, open, attrs{"Policy": lock})
	if err := sendTo(t, open, u); err != nil {
		t.Errorf("open server: %v", err)
	}
	if got := attributes(t, open, u, "Policy")["Policy"]; got != lock {
		t.Errorf("policy %s", got)
	}
	enforcing := harness.Start(t, harness.Options{Args: []string{"--enforce-policies"}})
	c := harness.SQS(enforcing.URL())
	u = queue(t, c, attrs{"Policy": lock})
	wantCode(t, sendTo(t, c, u), codeDenied)
	attributes(t, c, u, "All")
	if _, err := c.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &u, Attributes: attrs{"Policy": ""}}); err != nil {
		t.Errorf("root cannot take the policy away: %v", err)
	}
	if err := sendTo(t, c, u); err != nil {
		t.Errorf("after the policy has gone: %v", err)
	}
}
