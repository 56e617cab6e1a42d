package conformance

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
)

// counting counts the answers by their protocol.
type counting struct {
	http.RoundTripper
	two, other atomic.Int64
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.RoundTripper.RoundTrip(r)
	if err == nil && resp.ProtoMajor == 2 {
		c.two.Add(1)
	} else if err == nil {
		c.other.Add(1)
	}
	return resp, err
}

// TestHTTP2 has the SDK speak HTTP/2, with TLS and without, many requests at a time
// over one connection, long polls among them.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	cert, key, roots := selfSigned(t)
	var clear, secured http.Protocols
	clear.SetUnencryptedHTTP2(true)
	secured.SetHTTP2(true)
	for _, tt := range []struct {
		name      string
		args      []string
		transport *http.Transport
	}{
		{"without TLS", nil, &http.Transport{Protocols: &clear}},
		{"with TLS", []string{"--tls-cert", cert, "--tls-key", key},
			&http.Transport{Protocols: &secured, TLSClientConfig: &tls.Config{RootCAs: roots}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(tt.transport.CloseIdleConnections)
			s, err := harness.Spawn(harness.Options{Data: t.TempDir(), Args: tt.args})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Kill)
			answers := &counting{RoundTripper: tt.transport}
			client := &http.Client{Transport: answers}
			eventually(t, 20*time.Second, "the server is ready", func() bool {
				r, err := http.NewRequestWithContext(bound(t), http.MethodGet, s.URL()+"/readyz", nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(r)
				if err != nil {
					return false
				}
				defer resp.Body.Close()
				return resp.StatusCode == http.StatusOK
			})
			c := harness.SQS(s.URL(), func(o *sqs.Options) { o.HTTPClient = client })
			url := queue(t, c, nil)
			const n = 50
			large := strings.Repeat("x", 200<<10) // more than a stream's window
			var all sync.WaitGroup
			var got sync.Map
			for range n {
				all.Go(func() { // waits for its message
					m := one(t, c, url)
					remove(t, c, url, m)
					got.Store(strings.TrimPrefix(*m.Body, large), true)
				})
			}
			for i := range n {
				all.Go(func() { send(t, c, url, large+fmt.Sprint(i)) })
			}
			all.Wait()
			for i := range n {
				if _, ok := got.Load(fmt.Sprint(i)); !ok {
					t.Errorf("message %d was not received", i)
				}
			}
			wantCounts(t, c, url, "0", "0", "0")
			if answers.two.Load() < 3*n || answers.other.Load() != 0 {
				t.Errorf("%d answers by HTTP/2, %d by others", answers.two.Load(), answers.other.Load())
			}
		})
	}
}
