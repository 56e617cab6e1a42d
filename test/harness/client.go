package harness

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Region and Key are what clients use unless told otherwise. A server without
// a keys file takes any key.
const (
	Region = "us-east-1"
	Key    = "test"
	Secret = "test-secret"
)

// Client options.
type Client func(*sqs.Options)

// As signs with another key.
func As(key, secret string) Client {
	return func(o *sqs.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(key, secret, "")
	}
}

// In uses another region.
func In(region string) Client { return func(o *sqs.Options) { o.Region = region } }

// SQS is an SDK client of the server at url. It does not retry: tests want to
// see every error.
func SQS(url string, opts ...Client) *sqs.Client {
	o := sqs.Options{
		Region:       Region,
		BaseEndpoint: aws.String(url),
		Credentials:  credentials.NewStaticCredentialsProvider(Key, Secret, ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   steady{HTTP()},
	}
	for _, f := range opts {
		f(&o)
	}
	return sqs.New(o)
}

// steady sends a copy of the request's body. The SDK closes the body as soon as
// the answer begins, which can make net/http, still busy with its end, close the
// connection under the answer (aws-sdk-go-v2, issue 2737). The SDK retries
// that, these clients do not.
type steady struct{ client *http.Client }

func (s steady) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return s.client.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	own := r.Clone(r.Context())
	own.Body = io.NopCloser(bytes.NewReader(body))
	return s.client.Do(own)
}

// HTTP is a client with a pool of its own, no proxy and a bounded dial. The
// request's context bounds the rest.
func HTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:               nil,
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     30 * time.Second,
	}}
}

// Poll calls f every pace until it says true or ctx is over, and says which.
func Poll(ctx context.Context, pace time.Duration, f func() bool) bool {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		if f() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}
