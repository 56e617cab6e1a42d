package cluster

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// resumeWithin is when a test gives up waiting for service to resume. How soon it has
// to resume is held in virtual time, by TestServiceResumes of internal/partition: here
// the machine decides, and the times are only told.
const resumeWithin = time.Minute

// prober sends, receives and deletes one message after the other through a
// node, and remembers the longest pause between two that worked.
type prober struct {
	stop   context.CancelFunc
	done   chan struct{}
	mu     sync.Mutex // guards below
	last   time.Time
	worst  time.Duration
	worked int
	errs   map[string]int
}

func probe(c *sqs.Client, url string) *prober {
	ctx, cancel := context.WithCancel(context.Background())
	p := &prober{stop: cancel, done: make(chan struct{}), last: time.Now(), errs: map[string]int{}}
	go func() {
		defer close(p.done)
		for i := 0; ctx.Err() == nil; i++ {
			err := roundTrip(ctx, c, url, fmt.Sprint("probe ", i))
			if ctx.Err() != nil {
				return
			}
			p.mu.Lock()
			if err == nil {
				p.worked++
				p.worst = max(p.worst, time.Since(p.last))
				p.last = time.Now()
			} else {
				p.errs[fmt.Sprintf("%.120s", err)]++
			}
			p.mu.Unlock()
			pause(ctx, 10*time.Millisecond)
		}
	}()
	return p
}

func roundTrip(ctx context.Context, c *sqs.Client, url, body string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := send(ctx, c, url, body); err != nil {
		return err
	}
	got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1, VisibilityTimeout: 1})
	if err != nil {
		return err
	}
	if len(got.Messages) == 0 {
		return fmt.Errorf("nothing received after a send")
	}
	_, err = c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: got.Messages[0].ReceiptHandle})
	return err
}

// resumed waits until service has resumed, for a few more probes that work, and returns
// the longest pause.
func (p *prober) resumed(t *testing.T) time.Duration {
	t.Helper()
	ctx := bound(t, resumeWithin)
	start := p.count()
	for p.count() < start+10 && ctx.Err() == nil {
		pause(ctx, 20*time.Millisecond)
	}
	p.stop()
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.errs) > 0 {
		t.Logf("refused meanwhile: %v", p.errs)
	}
	if p.worked < start+10 {
		t.Fatalf("service has not resumed within %v; refused meanwhile: %v", resumeWithin, p.errs)
	}
	return p.worst
}

func (p *prober) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.worked
}

// warm waits until the probes work.
func (p *prober) warm(t *testing.T) {
	t.Helper()
	ctx := bound(t, resumeWithin)
	for p.count() < 10 && ctx.Err() == nil {
		pause(ctx, 20*time.Millisecond)
	}
	if ctx.Err() != nil {
		t.Fatalf("probes do not work: %v", p.errs)
	}
	p.mu.Lock()
	p.worst = 0
	p.mu.Unlock()
}

func TestOwnerKilled(t *testing.T) {
	t.Parallel()
	p := startPair(t, 1)
	url := queue(t, p.client("a"), "killed", nil)
	for range 2 {
		owner := p.owner(0)
		probes := probe(p.client(other(owner)), url)
		probes.warm(t)
		p.nodes[owner].Kill()
		took := probes.resumed(t)
		t.Logf("service resumed %v after the owner was killed", took)
		if err := p.nodes[owner].Again(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOwnerStopped(t *testing.T) {
	t.Parallel()
	p := startPair(t, 1)
	url := queue(t, p.client("a"), "stopped", nil)
	for range 3 {
		owner := p.owner(0)
		probes := probe(p.client(other(owner)), url)
		probes.warm(t)
		code, err := p.nodes[owner].Stop(30 * time.Second)
		if err != nil || code != 0 {
			t.Fatalf("exit code %d, %v; want 0", code, err)
		}
		took := probes.resumed(t)
		t.Logf("longest pause %v when the owner was stopped", took)
		if err := p.nodes[owner].Again(); err != nil {
			t.Fatal(err)
		}
	}
}

// A frozen owner wakes up when somebody else owns its queues: it must answer
// nothing from what it remembers.
func TestOwnerFrozen(t *testing.T) {
	t.Parallel()
	p := startPair(t, 1)
	ctx := bound(t, 2*time.Minute)
	probed := queue(t, p.client("a"), "frozen-probed", nil)
	url := queue(t, p.client("a"), "frozen", map[string]string{"VisibilityTimeout": "600"})
	for round := range 2 {
		owner := p.owner(0)
		next := p.client(other(owner))
		for i := range 5 {
			if err := send(ctx, next, url, fmt.Sprintf("round %d message %d", round, i)); err != nil {
				t.Fatal(err)
			}
		}
		probes := probe(next, probed)
		probes.warm(t)
		// Connections to the owner, made before it freezes, and requests that
		// wait in its sockets.
		receives := rawConns(t, p.nodes[owner].Addr(), 5)
		attributes := rawConns(t, p.nodes[owner].Addr(), 2)
		if err := p.nodes[owner].Freeze(); err != nil {
			t.Fatal(err)
		}
		for _, c := range receives {
			c.ask(t, "ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":10}`, url))
		}
		for _, c := range attributes {
			c.ask(t, "GetQueueAttributes", fmt.Sprintf(`{"QueueUrl":%q,"AttributeNames":["ApproximateNumberOfMessages"]}`, url))
		}
		took := probes.resumed(t)
		t.Logf("service resumed %v after the owner froze", took)
		// The other node delivers and deletes everything.
		drained := time.Now()
		for left := 5; left > 0; {
			got, err := next.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 2})
			if err != nil || len(got.Messages) == 0 {
				t.Fatalf("%d messages left: %v, %v", left, got, err)
			}
			for _, m := range got.Messages {
				if _, err := next.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
					t.Fatal(err)
				}
				left--
			}
		}
		t.Logf("drained after %v", time.Since(drained))
		if err := p.nodes[owner].Thaw(); err != nil {
			t.Fatal(err)
		}
		thawedAt := time.Now()
		for _, c := range receives {
			status, body := c.answer(t)
			if status == http.StatusOK && strings.Contains(body, "message") {
				t.Errorf("round %d: the thawed node delivered what had been deleted: %s", round, body)
			}
			if status != http.StatusOK && status < 500 {
				t.Errorf("round %d: the thawed node answered %d %s", round, status, body)
			}
		}
		for _, c := range attributes {
			if status, body := c.answer(t); status == http.StatusOK && !strings.Contains(body, `"0"`) {
				t.Errorf("round %d: the thawed node counted what had been deleted: %s", round, body)
			}
		}
		t.Logf("all answers %v after the thaw", time.Since(thawedAt))
		// It serves again, as the others' neighbour.
		thawed := probe(p.client(owner), probed)
		thawed.warm(t)
		thawed.resumed(t)
		t.Logf("serving through the thawed node %v after the thaw", time.Since(thawedAt))
		got, err := p.client(owner).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url})
		if err != nil || len(got.Messages) != 0 {
			t.Errorf("round %d: receive through the thawed node = %v, %v", round, got, err)
		}
	}
}

// rawConn is one connection with one request by hand.
type rawConn struct {
	net.Conn
	r *bufio.Reader
}

func rawConns(t *testing.T, addr string, n int) []*rawConn {
	t.Helper()
	var out []*rawConn
	for range n {
		c, err := net.DialTimeout("tcp", addr, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		k := &rawConn{c, bufio.NewReader(c)}
		k.ask(t, "ListQueues", `{"MaxResults":1}`) // accepted and served before the freeze
		if status, body := k.answer(t); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		out = append(out, k)
	}
	return out
}

func (k *rawConn) ask(t *testing.T, op, body string) {
	t.Helper()
	_, err := fmt.Fprintf(k, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.%s\r\nContent-Length: %d\r\n\r\n%s", op, len(body), body)
	if err != nil {
		t.Fatal(err)
	}
}

func (k *rawConn) answer(t *testing.T) (int, string) {
	t.Helper()
	resp, err := http.ReadResponse(k.r, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// Placement of queues on partitions is shared: with several partitions, both
// nodes own some, and each is taken over.
func TestPartitionsAreSpread(t *testing.T) {
	t.Parallel()
	p := startPair(t, 4)
	ctx := bound(t, time.Minute)
	owners := map[string]int{}
	spread := false
	for !spread && ctx.Err() == nil {
		clear(owners)
		for i := range 4 {
			owners[p.owner(i)]++
		}
		if spread = owners["a"] > 0 && owners["b"] > 0; !spread {
			pause(ctx, 200*time.Millisecond)
		}
	}
	t.Logf("owners: %v", owners)
	if !spread {
		t.Errorf("one node owns everything: %v", owners)
	}
	var urls []string
	for i := range 12 {
		urls = append(urls, queue(t, p.client("a"), fmt.Sprint("spread-", i), nil))
	}
	var probes []*prober
	for _, url := range urls {
		pr := probe(p.client("b"), url)
		pr.warm(t)
		probes = append(probes, pr)
	}
	p.nodes["a"].Kill()
	for i, pr := range probes {
		t.Logf("%s resumed %v after its owner was killed", urls[i], pr.resumed(t))
	}
}
