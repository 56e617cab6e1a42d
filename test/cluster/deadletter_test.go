package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waystation/waystation/test/harness"
)

// TestDeadLettersAcrossPartitions has messages die into queues on another
// partition, on another node, and kills the owners of either side in turn. Each
// dead letter arrives once, in its order.
func TestDeadLettersAcrossPartitions(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("fifo %v", fifo), func(t *testing.T) {
			t.Parallel()
			p := startPair(t, 2)
			d := newDying(t, p, fifo)
			d.run(t)
			d.check(t)
		})
	}
}

// dying is a queue whose messages all die, with what is known of them.
type dying struct {
	p            *pair
	fifo         bool
	source, dead string // URLs

	mu       sync.Mutex // guards below
	asked    []string   // bodies, in the order of their sends
	acked    map[string]bool
	received map[string]bool // from the source
	progress chan struct{}   // closed and made anew with each receive that gave something
	faults   []string
}

// newDying makes both queues on partitions of different nodes: a queue that has no
// dead-letter queue yet goes where the fewest are.
func newDying(t *testing.T, p *pair, fifo bool) *dying {
	t.Helper()
	d := &dying{p: p, fifo: fifo, acked: map[string]bool{}, received: map[string]bool{}, progress: make(chan struct{})}
	suffix, attrs := "", map[string]string{"VisibilityTimeout": "0"}
	if fifo {
		suffix, attrs["FifoQueue"] = ".fifo", "true"
	}
	c := p.client("a")
	d.source = queue(t, c, "source"+suffix, attrs)
	attrs["VisibilityTimeout"] = "600"
	d.dead = queue(t, c, "dead"+suffix, attrs)
	a, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &d.dead, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &d.source, Attributes: map[string]string{
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, a.Attributes["QueueArn"]),
	}}); err != nil {
		t.Fatal(err)
	}
	var status struct {
		Partitions []struct {
			Queues int `json:"queues"`
		} `json:"partitions"`
	}
	if err := getJSON(t.Context(), p.nodes["a"].URL()+"/status", &status); err != nil {
		t.Fatal(err)
	}
	for n, q := range status.Partitions {
		if q.Queues != 1 {
			t.Fatalf("partition %d has %d queues, want one on each", n, q.Queues)
		}
	}
	return d
}

// spread waits until each node owns one of the two partitions.
func (d *dying) spread(t *testing.T) (owners [2]string) {
	t.Helper()
	if !harness.Poll(bound(t, 30*time.Second), 50*time.Millisecond, func() bool {
		owners = [2]string{d.p.owner(0), d.p.owner(1)}
		return owners[0] != owners[1]
	}) {
		t.Fatalf("node %s owns both partitions", owners[0])
	}
	return owners
}

// run sends and receives through both nodes and kills the owner of either
// partition in turn, each time in the middle of the dying.
func (d *dying) run(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(bound(t, 2*time.Minute))
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop()
	clients.Go(func() { d.sendAll(ctx) })
	for name := range d.p.nodes {
		for range 2 {
			clients.Go(func() { d.receiveAll(ctx, name) })
		}
	}
	for round := range 6 {
		owners := d.spread(t)
		d.await(t, 40)
		victim := d.p.nodes[owners[round%2]]
		victim.Kill()
		d.await(t, 20) // the other one has taken over
		if err := victim.Again(); err != nil {
			t.Fatal(err)
		}
	}
	d.spread(t)
	d.await(t, 40)
}

// await waits until so many more messages were received.
func (d *dying) await(t *testing.T, more int) {
	t.Helper()
	ctx := bound(t, 30*time.Second)
	d.mu.Lock()
	want := len(d.received) + more
	for len(d.received) < want && ctx.Err() == nil {
		progress := d.progress
		d.mu.Unlock()
		select {
		case <-progress:
		case <-ctx.Done():
		}
		d.mu.Lock()
	}
	have := len(d.received)
	d.mu.Unlock()
	if have < want {
		t.Fatalf("%d messages were received within 30s, want %d", have, want)
	}
}

// sendAll sends one message after the other, each once, through either node.
func (d *dying) sendAll(ctx context.Context) {
	clients := []*sqs.Client{d.p.client("a"), d.p.client("b")}
	for i := 0; ctx.Err() == nil; i++ {
		body := fmt.Sprintf("%06d", i)
		d.mu.Lock()
		d.asked = append(d.asked, body)
		d.mu.Unlock()
		in := &sqs.SendMessageInput{QueueUrl: &d.source, MessageBody: &body}
		if d.fifo {
			in.MessageGroupId, in.MessageDeduplicationId = aws.String(group(body)), &body
		}
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*time.Second)
		_, err := clients[i%2].SendMessage(limit, in)
		cancel()
		if err == nil {
			d.mu.Lock()
			d.acked[body] = true
			d.mu.Unlock()
		}
		pause(ctx, 5*time.Millisecond)
	}
}

// group is the message group of a body.
func group(body string) string { return "g" + body[len(body)-1:] }

func (d *dying) receiveAll(ctx context.Context, node string) {
	c := d.p.client(node)
	for ctx.Err() == nil {
		limit, cancel := context.WithTimeout(ctx, 4*time.Second)
		err := d.receive(limit, c)
		cancel()
		if err != nil {
			pause(ctx, 50*time.Millisecond) // no hammering on a node that is down
		}
	}
}

// receive takes from the source, once.
func (d *dying) receive(ctx context.Context, c *sqs.Client) error {
	got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &d.source, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
	if err != nil || len(got.Messages) == 0 {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range got.Messages {
		if d.received[*m.Body] {
			d.faults = append(d.faults, fmt.Sprintf("message %s was received twice, it may be once", *m.Body))
		}
		d.received[*m.Body] = true
	}
	close(d.progress)
	d.progress = make(chan struct{})
	return nil
}

// check has all the messages die that are left, and compares what is dead with
// what was sent.
func (d *dying) check(t *testing.T) {
	t.Helper()
	ctx := bound(t, time.Minute)
	c := d.p.client("a")
	// Nothing stands in the source, nor between the two.
	if !harness.Poll(ctx, 50*time.Millisecond, func() bool {
		return d.receive(ctx, c) == nil && d.count(ctx, d.source) == 0 && d.backlog(ctx) == 0
	}) {
		t.Fatalf("%d messages stand in the source, %d between the queues", d.count(ctx, d.source), d.backlog(ctx))
	}
	dead := map[string]int{}
	var order []string
	for d.visible(ctx, d.dead) != 0 && ctx.Err() == nil {
		got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &d.dead, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range got.Messages {
			dead[*m.Body]++
			order = append(order, *m.Body)
			if !d.fifo {
				continue // they stay in flight, so that none can come twice unless it is there twice
			}
			if _, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &d.dead, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, fault := range d.faults {
		t.Error(fault)
	}
	for _, body := range d.asked {
		if n := dead[body]; n > 1 || n == 0 && d.acked[body] {
			t.Errorf("message %s (acknowledged: %v) stands in the dead-letter queue %d times", body, d.acked[body], n)
		}
		delete(dead, body)
	}
	for _, body := range slices.Sorted(maps.Keys(dead)) {
		t.Errorf("message %q is dead, nobody sent it", body)
	}
	last := map[string]string{}
	for _, body := range order {
		if g := group(body); d.fifo && d.acked[body] {
			if body < last[g] {
				t.Errorf("%s of group %s came after %s", body, g, last[g])
			}
			last[g] = body
		}
	}
	t.Logf("%d sends, %d acknowledged, %d dead letters", len(d.asked), len(d.acked), len(order))
}

// count is how many messages a queue holds, -1 if that cannot be told.
func (d *dying) count(ctx context.Context, url string) int { return d.sum(ctx, url, "All") }

// visible is how many a receive could get.
func (d *dying) visible(ctx context.Context, url string) int {
	return d.sum(ctx, url, types.QueueAttributeNameApproximateNumberOfMessages)
}

func (d *dying) sum(ctx context.Context, url string, of types.QueueAttributeName) (n int) {
	a, err := d.p.client("b").GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{of}})
	if err != nil {
		return -1
	}
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		var one int
		if _, err := fmt.Sscan(a.Attributes[name], &one); err == nil {
			n += one
		}
	}
	return n
}

// backlog is how many messages wait for the other partition to take them in, -1
// while not both partitions are served.
func (d *dying) backlog(ctx context.Context) (n int) {
	served := 0
	for _, s := range d.p.nodes {
		var status struct {
			Partitions []struct {
				Mine    bool   `json:"mine"`
				State   string `json:"state"`
				Backlog int    `json:"backlog"`
			} `json:"partitions"`
		}
		if getJSON(ctx, s.URL()+"/status", &status) != nil {
			return -1
		}
		for _, q := range status.Partitions {
			if q.Mine && q.State == "ready" {
				served++
				n += q.Backlog
			}
		}
	}
	if served != 2 {
		return -1
	}
	return n
}
