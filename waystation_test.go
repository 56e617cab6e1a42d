package waystation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/goleak"

	"github.com/waystation/waystation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client makes an SDK client that leaves no connection behind.
func client(t *testing.T, s *waystation.Server) *sqs.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return sqs.New(sqs.Options{
		BaseEndpoint: aws.String(s.URL()), Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:  &http.Client{Transport: transport},
	})
}

func start(t *testing.T, dir string) *waystation.Server {
	t.Helper()
	s, err := waystation.Start(t.Context(), waystation.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSeveralServersInOneProcess(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			c := client(t, start(t, t.TempDir()))
			q, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("orders")})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: aws.String(fmt.Sprint(i))}); err != nil {
				t.Fatal(err)
			}
			got, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, WaitTimeSeconds: 5, MaxNumberOfMessages: 10})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Messages) != 1 || *got.Messages[0].Body != fmt.Sprint(i) {
				t.Fatalf("server %d received %v", i, got.Messages)
			}
		})
	}
}

func TestGoesOnWithTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := waystation.Start(t.Context(), waystation.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, first)
	q, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: aws.String("kept")}); err != nil {
		t.Fatal(err)
	}
	if _, err := waystation.Start(t.Context(), waystation.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "is used by the server with process id") {
		t.Fatalf("a second server on the folder: %v", err)
	}
	if err := errors.Join(first.Close(t.Context()), first.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	<-first.Done()

	c = client(t, start(t, dir))
	got, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, WaitTimeSeconds: 5})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Messages) != 1 || *got.Messages[0].Body != "kept" {
		t.Fatalf("after the restart: %v", got.Messages)
	}
}

func TestCloseAnswersReceivesThatWait(t *testing.T) {
	t.Parallel()
	s, err := waystation.Start(t.Context(), waystation.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, s)
	q, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		out *sqs.ReceiveMessageOutput
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, WaitTimeSeconds: 20})
		answers <- answer{out, err}
	}()
	waitFor(t, s, `waystation_partition_waiting_receives{partition="0"} 1`)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := <-answers
	if a.err != nil || len(a.out.Messages) != 0 {
		t.Fatalf("the receive that waited got %v, %v", a.out, a.err)
	}
}

// waitFor waits until the server's metrics have the line.
func waitFor(t *testing.T, s *waystation.Server, line string) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !strings.Contains(get(t, s.URL()+"/metrics"), line+"\n") {
		select {
		case <-look.C:
		case <-t.Context().Done():
			t.Fatal("never seen: ", line)
		}
	}
}

func TestStartTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cfg  waystation.Config
		want string
	}{
		"no folder":       {waystation.Config{}, "Dir is missing"},
		"public and open": {waystation.Config{Dir: t.TempDir(), Listen: "0.0.0.0:0"}, "--keys"},
		"account":         {waystation.Config{Dir: t.TempDir(), Account: "me"}, "account"},
	} {
		if _, err := waystation.Start(t.Context(), tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		}
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := waystation.Start(ctx, waystation.Config{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	start(t, dir) // the folder is free
}
