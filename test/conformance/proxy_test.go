package conformance

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waystation/waystation/test/harness"
)

// proxyTo is a proxy with TLS before a server, as net/http/httputil makes them.
func proxyTo(t *testing.T, backend string, keepHost bool) *httptest.Server {
	t.Helper()
	to, err := url.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	p := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.SetXForwarded()
		if keepHost {
			r.Out.Host = r.In.Host
		}
	}})
	t.Cleanup(p.Close)
	return p
}

// TestBehindProxy: behind a trusted proxy that ends TLS, queue URLs are those by which
// the proxy is reached, and a client that takes them for its endpoint is served by
// them. A policy sees the client's scheme. A proxy that is not trusted is not believed.
func TestBehindProxy(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	const key, secret, owner = "AKIAPROXY00000000001", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "123456789012"
	if err := os.WriteFile(keys, []byte("keys:\n  - key: "+key+"\n    secret: "+secret+"\n    account: \""+owner+"\"\n    user: ann\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		args     []string
		keepHost bool // signatures cover it
		believed bool
	}{
		{"keys", []string{"--keys", keys, "--trusted-proxies", "127.0.0.1"}, true, true},
		{"open, host in X-Forwarded-Host", []string{"--trusted-proxies", "127.0.0.0/8"}, false, true},
		{"not trusted", []string{"--keys", keys, "--trusted-proxies", "192.0.2.0/24"}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := proxyTo(t, harness.Start(t, harness.Options{Args: tt.args}).URL(), tt.keepHost)
			through := func(endpoint string) *sqs.Client {
				return harness.SQS(endpoint, harness.As(key, secret), func(o *sqs.Options) { o.HTTPClient = p.Client() })
			}
			u := queue(t, through(p.URL), nil)
			if !tt.believed {
				if want := strings.Replace(p.URL, "https:", "http:", 1); !strings.HasPrefix(u, want) {
					t.Errorf("QueueUrl %s, want %s/…: nobody trusts the proxy", u, want)
				}
				return
			}
			at, err := url.Parse(u)
			if err != nil || at.Scheme+"://"+at.Host != p.URL {
				t.Fatalf("QueueUrl %s, want one below %s", u, p.URL)
			}
			c := through(at.Scheme + "://" + at.Host)
			secure := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`
			if _, err := c.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &u, Attributes: attrs{"Policy": secure}}); err != nil {
				t.Fatal(err)
			}
			send(t, c, u, "through the proxy")
			m := one(t, c, u)
			remove(t, c, u, m)
			// Clients of the Query protocol send to the URL itself.
			if tt.keepHost {
				return // they would have to sign
			}
			r, err := http.NewRequestWithContext(bound(t), http.MethodPost, u, strings.NewReader("Action=SendMessage&MessageBody=to+the+URL"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := p.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("to the queue's URL: %s", resp.Status)
			}
			wantBodies(t, []types.Message{one(t, c, u)}, "to the URL")
		})
	}
}
