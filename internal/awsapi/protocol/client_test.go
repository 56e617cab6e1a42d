package protocol

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/waystation/waystation/internal/access"
)

func keyedAccess(t testing.TB) *access.Access {
	t.Helper()
	a, err := access.New(access.Config{Credentials: []access.Credential{{Key: testKey, Secret: testSecret, Account: testAccount, User: "orders"}}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serve starts a server on a free port with signatures checked.
func serve(t *testing.T) (*fixture, *httptest.Server) {
	t.Helper()
	f := newFixture(t, func(c *Config) { c.Access = keyedAccess(t) })
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, srv
}

func client(t *testing.T, url, secret string) *sqs.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return sqs.New(sqs.Options{
		BaseEndpoint: &url, Region: "eu-west-1", HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(testKey, secret, ""), RetryMaxAttempts: 1,
	})
}

func TestSDK(t *testing.T) {
	t.Parallel()
	f, srv := serve(t)
	c := client(t, srv.URL, testSecret)
	ctx := t.Context()
	body := "ä \"quoted\" \u2028 😀 " + strings.Repeat("x", 100_000)
	out, err := c.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(srv.URL + "/1/q"), MessageBody: &body, DelaySeconds: 3,
		MessageAttributes: map[string]types.MessageAttributeValue{
			"n": {DataType: aws.String("Number"), StringValue: aws.String("1")},
			"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(out.MessageId) != "id-1" {
		t.Errorf("out %+v", out)
	}
	call, in := f.toy.saw()
	if call.Principal.ARN != "arn:aws:iam::123456789012:user/orders" || call.Region != "eu-west-1" || call.Protocol != JSON {
		t.Errorf("call %+v", call)
	}
	if in.MessageBody != body || in.DelaySeconds == nil || *in.DelaySeconds != 3 || string(in.MessageAttributes["b"].BinaryValue) != "\x00\xff" {
		t.Errorf("input %+v", in)
	}
	got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &srv.URL, MaxNumberOfMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Messages) != 10 || *got.Messages[9].Body != "body <9>\r\n\"ä\"" {
		t.Errorf("out %+v", got)
	}

	_, err = c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String("http://h/1/none"), MessageBody: aws.String("x")})
	var none *types.QueueDoesNotExist
	var api smithy.APIError
	if !errors.As(err, &none) || !errors.As(err, &api) || api.ErrorCode() != "AWS.SimpleQueueService.NonExistentQueue" || api.ErrorFault() != smithy.FaultClient {
		t.Errorf("error %#v", err)
	}
	for _, tt := range []struct {
		name, want string
		call       func() error
	}{
		{"wrong secret", "SignatureDoesNotMatch", func() error {
			_, err := client(t, srv.URL, "wrong").SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &srv.URL, MessageBody: &body})
			return err
		}},
		{"not yet", "NotImplemented", func() error {
			_, err := c.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &srv.URL})
			return err
		}},
		{"unknown", "InvalidAction", func() error {
			_, err := c.ListQueues(ctx, &sqs.ListQueuesInput{})
			return err
		}},
		{"internal", "InternalFailure", func() error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String("http://h/1/panic"), MessageBody: &body})
			return err
		}},
	} {
		if err := tt.call(); !errors.As(err, &api) || api.ErrorCode() != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// signed makes a request signed for service.
func signed(t *testing.T, method, url, contentType, body, service string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret},
		r, hex.EncodeToString(sum[:]), service, "eu-west-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

func roundTrip(t *testing.T, srv *httptest.Server, r *http.Request) (int, string) {
	t.Helper()
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestSignedQuery(t *testing.T) {
	t.Parallel()
	f, srv := serve(t)
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	status, body := roundTrip(t, srv, signed(t, "POST", srv.URL+"/123456789012/q", form, "Action=SendMessage&MessageBody=a+b%0A&Version=2012-11-05", "sqs"))
	if call, in := f.toy.saw(); status != 200 || in.MessageBody != "a b\n" || in.QueueUrl != srv.URL+"/123456789012/q" || call.Account != testAccount {
		t.Errorf("%d %s, input %+v", status, body, in)
	}
	if status, body := roundTrip(t, srv, signed(t, "GET", srv.URL+"/?Action=DeleteMessage&Z=%20%2F", "", "", "sqs")); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	// Presigned.
	r, err := http.NewRequest("GET", srv.URL+"/1/q?Action=SendMessage&MessageBody=x+y&X-Amz-Expires=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	empty := sha256.Sum256(nil)
	target, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret},
		r, hex.EncodeToString(empty[:]), "sqs", "eu-west-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r, err = http.NewRequest("GET", target, nil); err != nil {
		t.Fatal(err)
	}
	status, body = roundTrip(t, srv, r)
	if _, in := f.toy.saw(); status != 200 || in.MessageBody != "x y" {
		t.Errorf("%d %s", status, body)
	}
	for _, tt := range []struct {
		name string
		r    *http.Request
		want string
	}{
		{"scope of another service", func() *http.Request {
			r := signed(t, "POST", srv.URL, form, "", "sts")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("Action=DeleteMessage")), 20
			return r
		}(), "SignatureDoesNotMatch"},
		{"service of the scope", signed(t, "POST", srv.URL, form, "Action=DeleteMessage", "sts"), "Credential should be scoped to correct service: &#39;sqs&#39;."},
	} {
		status, body := roundTrip(t, srv, tt.r)
		if status != 403 || !strings.Contains(strings.ReplaceAll(body, "'", "&#39;"), tt.want) {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
}

// TestAnonymous: unsigned requests reach only operations that ask for them.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	f, srv := serve(t)
	for action, want := range map[string]int{"SendMessage": 200, "DeleteMessage": 403} {
		r, err := http.NewRequest("POST", srv.URL, strings.NewReader("QueueUrl=x&Action="+action))
		if err != nil {
			t.Fatal(err)
		}
		status, body := roundTrip(t, srv, r)
		if status != want || want == 403 && !strings.Contains(body, "<Code>MissingAuthenticationToken</Code>") {
			t.Errorf("%s: %d %s", action, status, body)
		}
	}
	if call, _ := f.toy.saw(); !call.Principal.Anonymous || call.Account != "" || call.Region != access.DefaultRegion {
		t.Errorf("call %+v", call)
	}
}

// TestWire sends bytes as no well-behaved client does.
func TestWire(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	const head = "POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: AmazonSQS.SendMessage\r\nContent-Type: application/x-amz-json-1.0\r\n"
	for _, tt := range []struct {
		name, send string
		closeWrite bool
		want       string
	}{
		{name: "chunked", send: head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"Que\r\nb\r\nueUrl\":\"q\"}\r\n0\r\n\r\n", want: "200 OK"},
		{name: "chunked, broken", send: head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", want: "400 Bad Request"},
		{name: "chunked, cut off", send: head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"Q", closeWrite: true, want: "400 Bad Request"},
		{name: "cut off", send: head + "Content-Length: 100\r\n\r\n{", closeWrite: true, want: "400 Bad Request"},
		{name: "no body", send: head + "\r\n", want: "400 Bad Request"},
		{name: "enormous", send: head + "Content-Length: 99999999999\r\n\r\n{", want: "413 Request Entity Too Large"},
		{name: "enormous, asks first", send: head + "Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n", want: "413 Request Entity Too Large"},
		{name: "asks first", send: head + "Expect: 100-continue\r\nContent-Length: 16\r\n\r\n{\"QueueUrl\":\"q\"}", want: "100 Continue"},
		{name: "HTTP/1.0", send: strings.Replace(head, "1.1", "1.0", 1) + "Content-Length: 16\r\n\r\n{\"QueueUrl\":\"q\"}", want: "200 OK"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, tt.send); err != nil {
				t.Fatal(err)
			}
			if tt.closeWrite {
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil || !strings.HasSuffix(strings.TrimSpace(line), tt.want) {
				t.Errorf("%q, %v; want %s", line, err, tt.want)
			}
		})
	}
}
