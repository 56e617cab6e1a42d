package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waystation/waystation/test/harness"
)

// startBehind is a pair whose node b talks to NATS through a proxy.
func startBehind(t *testing.T, partitions int) (*pair, *proxy) {
	t.Helper()
	nats := harness.StartNATS(t)
	between := startProxy(t, nats.URL())
	p := &pair{t: t, nats: nats, nodes: map[string]*harness.Server{}}
	args := []string{"--partitions", fmt.Sprint(partitions)}
	for name, url := range map[string]string{"a": nats.URL(), "b": between.url()} {
		p.nodes[name] = harness.Start(t, harness.Options{NATS: url, Node: name, Args: args})
	}
	return p, between
}

// definitions holds back what is about the log of the definitions.
func definitions(subject string) bool { return strings.Contains(subject, "registry") }

// TestTakeOverBehindTheDefinitions has a node take over a partition with queues of
// which it has not heard, and one of whose deletion it has not. It takes nothing for
// absent, and delivers all of it once it can know them.
func TestTakeOverBehindTheDefinitions(t *testing.T) {
	t.Parallel()
	p, between := startBehind(t, 1)
	ctx := bound(t, 2*time.Minute)
	if p.owner(0) == "b" { // the one that is to take over
		if _, err := p.nodes["b"].Stop(time.Minute); err != nil {
			t.Fatal(err)
		}
		p.owner(0)
		if err := p.nodes["b"].Again(); err != nil {
			t.Fatal(err)
		}
	}
	here, there := p.client("a"), p.client("b")
	hidden := map[string]string{"VisibilityTimeout": "600"}
	gone := queue(t, there, "gone", hidden)
	urls := []string{queue(t, there, "known", hidden)}
	between.hold(definitions, false)
	for i := range 4 {
		urls = append(urls, queue(t, here, fmt.Sprint("unknown-", i), hidden))
	}
	for _, url := range append(urls, gone) {
		for i := range 20 {
			if err := send(ctx, here, url, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := here.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &gone}); err != nil {
		t.Fatal(err)
	}
	p.nodes["a"].Kill()
	var status struct {
		Partitions []struct {
			Mine    bool   `json:"mine"`
			State   string `json:"state"`
			Orphans int    `json:"orphans"`
		} `json:"partitions"`
	}
	look := func() bool { return getJSON(ctx, p.nodes["b"].URL()+"/status", &status) == nil }
	if !harness.Poll(bound(t, 30*time.Second), 20*time.Millisecond, func() bool { return look() && status.Partitions[0].Mine }) {
		t.Fatal("the other node does not take the partition over")
	}
	// It asks for definitions, again after the first question had no answer.
	for begun, _ := between.heldBack(); ctx.Err() == nil; {
		n, more := between.heldBack()
		if n >= begun+4 {
			break
		}
		select {
		case <-more:
		case <-ctx.Done():
		}
	}
	// Of what it has not heard it does not say that it is absent.
	wantBusy(t, send(bound(t, answerWithin), there, urls[1], "unknown"))
	between.release()

	for _, url := range urls {
		seen := map[string]int{}
		if !harness.Poll(bound(t, 30*time.Second), 20*time.Millisecond, func() bool {
			got, err := there.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
			if err != nil {
				wantBusy(t, err)
				return false
			}
			for _, m := range got.Messages {
				if *m.Body != "unknown" { // refused, and may have been stored
					seen[*m.Body]++
				}
			}
			return len(seen) == 20
		}) {
			t.Errorf("%s: %d of 20 messages came", url, len(seen))
		}
		for body, n := range seen {
			if n != 1 {
				t.Errorf("%s: message %s came %d times", url, body, n)
			}
		}
	}
	var absent *types.QueueDoesNotExist
	if err := send(ctx, there, gone, "after"); !errors.As(err, &absent) {
		t.Errorf("a send to the deleted queue: %v", err)
	}
	if !harness.Poll(bound(t, 30*time.Second), 20*time.Millisecond, func() bool { return look() && status.Partitions[0].Orphans == 0 }) {
		t.Errorf("queues without a definition: %+v", status)
	}
}

// TestHeldBack holds back all that a node says, or hears, or both, or only what it
// asks about definitions while the other one is killed, under a mixed load. What
// was held comes through late, when others own its partitions.
func TestHeldBack(t *testing.T) {
	t.Parallel()
	p, between := startBehind(t, 2)
	underLoad(t, p, func(i int, random *rand.Rand) {
		pause(t.Context(), time.Duration(500+random.IntN(1500))*time.Millisecond)
		nothing := func(string) bool { return false }
		switch i % 4 {
		case 0:
			between.hold(everything, false)
		case 1:
			between.hold(nothing, true)
		case 2:
			between.hold(everything, true)
		case 3:
			between.hold(definitions, false)
			p.nodes["a"].Kill()
		}
		pause(t.Context(), time.Duration(2000+random.IntN(5000))*time.Millisecond)
		between.release()
		if i%4 == 3 {
			if err := p.nodes["a"].Again(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
