package conformance

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waystation/waystation/test/harness"
)

// poll is a receive that waits in the background.
type poll struct {
	cancel context.CancelFunc
	result chan polled
}

type polled struct {
	messages []types.Message
	err      error
	at       time.Time
}

// startPoll returns once the request of a long poll has been written.
func startPoll(t *testing.T, url string, opts ...receiveOption) *poll {
	t.Helper()
	in := &sqs.ReceiveMessageInput{
		QueueUrl: &url, WaitTimeSeconds: 20, MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
	}
	for _, f := range opts {
		f(in)
	}
	ctx, cancel := context.WithCancel(bound(t))
	t.Cleanup(cancel)
	written := make(chan struct{})
	once := sync.OnceFunc(func() { close(written) })
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { once() }})
	p := &poll{cancel: cancel, result: make(chan polled, 1)}
	c := harness.SQS(endpoint(t)) // a connection of its own
	go func() {
		out, err := c.ReceiveMessage(ctx, in)
		r := polled{err: err, at: time.Now()}
		if err == nil {
			r.messages = out.Messages
		}
		once()
		p.result <- r
	}()
	<-written
	return p
}

// within waits for the poll's one message and checks how long after start it
// came.
func (p *poll) within(t *testing.T, start time.Time, least, most time.Duration) types.Message {
	t.Helper()
	r := <-p.result
	if r.err != nil || len(r.messages) != 1 {
		t.Fatalf("the poll returned %q, %v; want one message", bodies(r.messages), r.err)
	}
	if took := r.at.Sub(start); took < least || took > most {
		t.Errorf("woke after %v, want %v to %v", took, least, most)
	}
	return r.messages[0]
}

const (
	// A poll that was woken, and not one that came to its end after 20 s: a machine under
	// test load may pause for long. How soon a message arrives, waystation bench measures.
	atOnce = 12 * time.Second
	early  = 990 * time.Millisecond // a second, less the rounding of clocks
	late   = early + atOnce
)

func TestPollWakesOnSend(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	p := startPoll(t, url)
	start := time.Now()
	send(t, c, url, "m")
	p.within(t, start, 0, atOnce)
}

func TestPollWakesOnDelayExpiry(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	start := time.Now()
	send(t, c, url, "m", delay(1))
	startPoll(t, url).within(t, start, early, late)
	// The same when the poll was there first.
	p := startPoll(t, url)
	start = time.Now()
	send(t, c, url, "m", delay(1))
	p.within(t, start, early, late)
}

func TestPollWakesOnVisibilityExpiry(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	send(t, c, url, "m")
	start := time.Now()
	one(t, c, url, hide(1))
	startPoll(t, url, hide(600)).within(t, start, early, late)
}

func TestPollWakesOnVisibilityChange(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	send(t, c, url, "m")
	m := one(t, c, url)
	p := startPoll(t, url)
	start := time.Now()
	visibility(t, c, url, m, 0)
	p.within(t, start, 0, atOnce)
}

func TestPollWakesOnGroupRelease(t *testing.T) {
	t.Parallel()
	c := client(t)
	for how, release := range map[string]func(string, types.Message){
		"delete": func(url string, m types.Message) { remove(t, c, url, m) },
		"change": func(url string, m types.Message) { visibility(t, c, url, m, 0) },
	} {
		url := fifoQueue(t, c)
		send(t, c, url, "1", group("g"))
		m := one(t, c, url)
		if how == "delete" {
			send(t, c, url, "2", group("g"))
		}
		p := startPoll(t, url)
		start := time.Now()
		release(url, m)
		p.within(t, start, 0, atOnce)
	}
}

func TestPollWakesOnGroupExpiry(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := fifoQueue(t, c)
	send(t, c, url, "1", group("g"))
	send(t, c, url, "2", group("g"))
	start := time.Now()
	one(t, c, url, hide(1))
	m := startPoll(t, url, upTo(1)).within(t, start, early, late)
	if *m.Body != "1" {
		t.Errorf("received %q, want the first of the group again", *m.Body)
	}
}

func TestPollWakesOnDeadLetter(t *testing.T) {
	t.Parallel()
	c := client(t)
	source, dlq := deadLetters(t, c, 1)
	send(t, c, source, "poison")
	m := one(t, c, source)
	p := startPoll(t, dlq)
	start := time.Now()
	visibility(t, c, source, m, 0)
	none(t, c, source)
	p.within(t, start, 0, atOnce)
}

func TestPollEndsEmpty(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, attrs{"ReceiveMessageWaitTimeSeconds": "1"})
	start := time.Now()
	none(t, c, url)
	if took := time.Since(start); took < early || took > late {
		t.Errorf("the queue's own wait took %v, want a second", took)
	}
	start = time.Now()
	none(t, c, url, wait(2))
	if took := time.Since(start); took < 2*early || took > early+late {
		t.Errorf("the request's wait took %v, want two seconds", took)
	}
}

// Every message wakes one poll.
func TestManyPolls(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	var polls []*poll
	for range 20 {
		polls = append(polls, startPoll(t, url, upTo(1)))
	}
	start := time.Now()
	for i := range 20 {
		send(t, c, url, fmt.Sprint(i))
	}
	seen := map[string]bool{}
	for _, p := range polls {
		seen[*p.within(t, start, 0, atOnce).Body] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d different messages, want 20", len(seen))
	}
}

// A client that goes away while it waits does not take a message with it.
func TestPollOfGoneClient(t *testing.T) {
	t.Parallel()
	c := client(t)
	url, idle := queue(t, c, nil), queue(t, c, nil)
	for i := range 5 {
		var gone []*poll
		for range 4 {
			gone = append(gone, startPoll(t, url))
		}
		for _, p := range gone {
			p.cancel()
			<-p.result
		}
		none(t, c, idle, wait(1)) // the server sees the connections close
		send(t, c, url, fmt.Sprint(i))
		start := time.Now()
		m := one(t, c, url)
		if took := time.Since(start); *m.Body != fmt.Sprint(i) || m.Attributes["ApproximateReceiveCount"] != "1" || took > atOnce {
			t.Errorf("round %d: received %q for the time %s after %v", i, *m.Body, m.Attributes["ApproximateReceiveCount"], took)
		}
		remove(t, c, url, m)
	}
}
