package hostile

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	key     = "AKIAHOSTILE000000001"
	secret  = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	account = "123456789012"
)

// victim is a server with a keys file, and a client that has a key.
type victim struct {
	*harness.Server
	client *sqs.Client
	queue  string // URL
	idle   int64  // resident before the attack, in bytes
}

// start starts a server with one queue, and has it serve a little, so that what it
// needs anyway is counted as idle.
func start(t *testing.T, args ...string) *victim {
	t.Helper()
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	text := fmt.Sprintf("keys:\n  - key: %s\n    secret: %s\n    account: %q\n", key, secret, account)
	if err := os.WriteFile(keys, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	v := &victim{Server: harness.Start(t, harness.Options{Args: append([]string{"--keys", keys, "--log-level", "warn"}, args...)})}
	v.client = harness.SQS(v.URL(), harness.As(key, secret))
	out, err := v.client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	v.queue = *out.QueueUrl
	for range 100 {
		v.send(t)
	}
	v.idle = v.resident(t)
	return v
}

// send sends a message as a client with a key does.
func (v *victim) send(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := v.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &v.queue, MessageBody: aws.String("hello")}); err != nil {
		t.Errorf("a client with a key was not served: %v", err)
	}
}

// resident is the server's memory in bytes.
func (v *victim) resident(t *testing.T) int64 { return v.status(t, "VmRSS:") }

// peak is the most that it ever was.
func (v *victim) peak(t *testing.T) int64 { return v.status(t, "VmHWM:") }

func (v *victim) status(t *testing.T, line string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := bytes.Cut(text, []byte(line))
	rest, _, _ = bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	kib, err := strconv.ParseInt(string(rest), 10, 64)
	if !ok || err != nil {
		t.Fatalf("no %s in %s", line, text)
	}
	return kib << 10
}

// staysBelow fails the test if the server ever had more than limit bytes above
// what it had before the attack.
func (v *victim) staysBelow(t *testing.T, limit int64) {
	t.Helper()
	above := v.peak(t) - v.idle
	t.Logf("idle %d MiB, at most %d MiB above it", v.idle>>20, above>>20)
	if above > limit {
		t.Errorf("the server took %d MiB, %d are allowed", above>>20, limit>>20)
	}
	if v.Gone() {
		t.Error("the server is gone")
	}
}

// dial opens a connection that ends with the test.
func (v *victim) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", v.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
