package access

import (
	"crypto/tls"
	"net/http/httptest"
	"testing"
)

func TestOrigin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, peer       string
		tls              bool
		forwarded        []string // lines of X-Forwarded-For
		proto, host      []string
		addr, scheme, at string
	}{
		{"nobody between", "203.0.113.7:1", false, nil, nil, nil, "203.0.113.7", "http", "sqs.test"},
		{"stranger's headers", "203.0.113.7:1", true, []string{"198.51.100.1"}, []string{"http"}, []string{"evil"}, "203.0.113.7", "https", "sqs.test"},
		{"one proxy", "10.0.0.1:1", false, []string{"203.0.113.7"}, []string{"https"}, nil, "203.0.113.7", "https", "sqs.test"},
		{"made up before", "10.0.0.1:1", false, []string{"10.9.9.9, 198.51.100.1, 203.0.113.7"}, nil, nil, "203.0.113.7", "http", "sqs.test"},
		{"made up in a line before", "10.0.0.1:1", false, []string{"198.51.100.1", "203.0.113.7"}, nil, nil, "203.0.113.7", "http", "sqs.test"},
		{"two proxies", "10.0.0.1:1", false, []string{"198.51.100.1, 203.0.113.7", "10.0.0.2"}, []string{"https, http"}, nil, "203.0.113.7", "http", "sqs.test"},
		{"two proxies, a scheme each", "10.0.0.1:1", false, []string{"203.0.113.7, 10.0.0.2"}, []string{"HTTPS, http"}, nil, "203.0.113.7", "https", "sqs.test"},
		{"only proxies", "10.0.0.1:1", false, []string{"10.0.0.3, 10.0.0.2"}, nil, nil, "10.0.0.3", "http", "sqs.test"},
		{"proxy without a word", "10.0.0.1:1", false, nil, nil, nil, "10.0.0.1", "http", "sqs.test"},
		{"hidden client", "10.0.0.1:1", false, []string{"203.0.113.7, unknown"}, nil, nil, "", "http", "sqs.test"},
		{"with ports", "10.0.0.1:1", false, []string{"203.0.113.7:5000"}, nil, nil, "203.0.113.7", "http", "sqs.test"},
		{"IPv6", "[fd00::1]:1", false, []string{"[2001:db8::1]:5000"}, nil, nil, "2001:db8::1", "http", "sqs.test"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:1", false, []string{"::ffff:203.0.113.7"}, nil, nil, "203.0.113.7", "http", "sqs.test"},
		{"host", "10.0.0.1:1", false, []string{"203.0.113.7"}, nil, []string{"queues.example:8443"}, "203.0.113.7", "http", "queues.example:8443"},
		{"no host", "10.0.0.1:1", false, []string{"203.0.113.7"}, []string{"gopher"}, []string{"a/b"}, "203.0.113.7", "http", "sqs.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := ParseProxies([]string{"10.0.0.0/8", " fd00::1"})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("POST", "http://sqs.test/", nil)
			r.RemoteAddr = tt.peer
			if tt.tls {
				r.TLS = &tls.ConnectionState{}
			}
			r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"], r.Header["X-Forwarded-Host"] = tt.forwarded, tt.proto, tt.host
			o := p.Of(r)
			if o.SourceIP() != tt.addr || o.Scheme != tt.scheme || o.Host != tt.at {
				t.Errorf("got %s %s %s, want %s %s %s", o.SourceIP(), o.Scheme, o.Host, tt.addr, tt.scheme, tt.at)
			}
		})
	}
	if _, err := ParseProxies([]string{"10.0.0.0/33"}); err == nil {
		t.Error("a network of 33 bits was accepted")
	}
}
