//go:build linux

package hostile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// signed is a request of the client with a key, as it goes over the wire.
func (v *victim) signed(t *testing.T, operation, body string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.URL()+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, r,
		hex.EncodeToString(sum[:]), "sqs", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestUnreadAnswers: a client with a key asks for answers of 10 MiB, over hundreds of
// connections, and reads nothing but their first byte.
func TestUnreadAnswers(t *testing.T) {
	t.Parallel()
	v := start(t, "--body-mib", "128")
	const n = 300
	big := strings.Repeat("x", mib-1000)
	out, err := v.client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("large")})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := v.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: &big}); err != nil {
			t.Fatal(err)
		}
	}
	request := v.signed(t, "ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":10,"VisibilityTimeout":0}`, *out.QueueUrl))
	small := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	var answered sync.WaitGroup
	for range n {
		c, err := small.Dial("tcp", v.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		answered.Go(func() {
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.ReadFull(c, make([]byte, 1))
		})
	}
	answered.Wait()
	v.staysBelow(t, memoryForAll)
	v.send(t)
}
