package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
	"github.com/waystation/waystation/test/harness/fanout"
)

// roles that a node may have, in the order in which the nodes are started.
var roles = []string{"partition", "queue", "topic", "bus", "schedule", "delivery"}

// TestRoles runs two copies of every role, each a process of its own. While messages
// are published, events put, schedules made and an endpoint pushed to, of each role one
// copy is killed and comes back, then the other is stopped and comes back. Whatever was
// answered arrives: in order and once in queues behind FIFO topics, once in the queue of
// a schedule, at least once elsewhere.
func TestRoles(t *testing.T) {
	t.Parallel()
	s := seed(t)
	nats := harness.StartNATS(t)
	nodes := make(map[string][]*harness.Server) // by role
	for _, role := range roles {
		for _, copy := range []string{"a", "b"} {
			nodes[role] = append(nodes[role], harness.Start(t, harness.Options{
				NATS: nats.URL(), Node: role + "-" + copy, Args: []string{"--partitions", "2", "--roles", role, "--drain-delay", "0s"},
			}))
		}
	}
	ctx, done := context.WithTimeout(context.Background(), 4*time.Minute)
	defer done()
	urls := func(role string) []string { return []string{nodes[role][0].URL(), nodes[role][1].URL()} }

	again := func(ctx context.Context) error {
		pause(ctx, 50*time.Millisecond)
		return ctx.Err()
	}
	f, err := fanout.New(ctx, fanout.Config{
		URLs: urls("queue"), Topics: urls("topic"), Buses: urls("bus"), Lag: 3 * time.Second, Seed: s, Recover: again,
	})
	if err != nil {
		t.Fatal(err)
	}
	calls := newCalls(t, ctx, urls("topic"))
	alarms := newAlarms(t, ctx, urls("schedule"), nodes["queue"][0].URL())
	elsewhere(t, ctx, nodes)

	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { f.Run(stop) })
	all.Go(func() { calls.run(stop) })
	all.Go(func() { alarms.run(stop) })
	for _, role := range roles {
		killed, stopped := nodes[role][0], nodes[role][1]
		killed.Kill()
		pause(ctx, 500*time.Millisecond) // the other copy is alone
		if err := killed.Again(); err != nil {
			t.Fatal(err)
		}
		if code, err := stopped.Stop(40 * time.Second); err != nil || code != 0 {
			t.Fatalf("%s: stopped with %d, %v\n%s", role, code, err, stopped.Output())
		}
		pause(ctx, 500*time.Millisecond)
		if err := stopped.Again(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	all.Wait()
	calls.check(t, ctx)
	alarms.check(t, ctx)
	faults, stats := f.Check(ctx)
	for _, fault := range faults {
		t.Error(fault)
	}
	t.Logf("%+v, %d calls, %d alarms", stats, len(calls.answered), len(alarms.answered))
	if stats.Answered == 0 || stats.Again == 0 || len(calls.answered) == 0 || len(alarms.answered) == 0 {
		t.Error("nothing was answered, or nothing was interrupted")
	}
}

// elsewhere: what another role serves is answered by a request to come back.
func elsewhere(t *testing.T, ctx context.Context, nodes map[string][]*harness.Server) {
	t.Helper()
	wrong := harness.SQS(nodes["delivery"][0].URL())
	_, err := wrong.ListQueues(ctx, nil, func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
	if err == nil || !strings.Contains(err.Error(), "ServiceUnavailable") || !strings.Contains(err.Error(), "--roles") {
		t.Errorf("a node that pushes messages lists queues: %v", err)
	}
}

// calls are messages to a topic whose subscriber is an HTTP endpoint.
type calls struct {
	clients []*sns.Client
	topic   string

	mu       sync.Mutex
	arrived  map[string]bool
	answered []string
}

// newCalls makes the topic and confirms the endpoint's subscription.
func newCalls(t *testing.T, ctx context.Context, urls []string) *calls {
	t.Helper()
	c := &calls{arrived: make(map[string]bool)}
	for _, url := range urls {
		c.clients = append(c.clients, sns.New(sns.Options{
			Region: harness.Region, BaseEndpoint: &url, HTTPClient: harness.HTTP(), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider(harness.Key, harness.Secret, ""),
		}))
	}
	token := make(chan string, 8)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ Type, Token, Message string }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Errorf("the endpoint got no document: %v", err)
			return
		}
		switch m.Type {
		case "SubscriptionConfirmation":
			token <- m.Token
		case "Notification":
			c.mu.Lock()
			c.arrived[m.Message] = true
			c.mu.Unlock()
		}
	}))
	t.Cleanup(receiver.Close)
	topic, err := c.clients[0].CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("calls")})
	if err != nil {
		t.Fatal(err)
	}
	c.topic = *topic.TopicArn
	if _, err := c.clients[0].Subscribe(ctx, &sns.SubscribeInput{TopicArn: &c.topic, Protocol: aws.String("http"), Endpoint: &receiver.URL}); err != nil {
		t.Fatal(err)
	}
	select {
	case token := <-token:
		if _, err := c.clients[0].ConfirmSubscription(ctx, &sns.ConfirmSubscriptionInput{TopicArn: &c.topic, Token: &token}); err != nil {
			t.Fatal(err)
		}
	case <-ctx.Done():
		t.Fatal("the endpoint was not asked to confirm")
	}
	// The other copy may hear of the confirmation a moment later.
	known := func() bool {
		out, err := c.clients[1].ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &c.topic})
		return err == nil && len(out.Subscriptions) == 1 && *out.Subscriptions[0].SubscriptionArn != "PendingConfirmation"
	}
	if !harness.Poll(ctx, 20*time.Millisecond, known) {
		t.Fatal("the confirmation is not known everywhere")
	}
	return c
}

func (c *calls) run(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		id := fmt.Sprint("call-", i)
		for try := 0; ctx.Err() == nil; try++ {
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*time.Second)
			_, err := c.clients[(i+try)%2].Publish(bounded, &sns.PublishInput{TopicArn: &c.topic, Message: &id})
			cancel()
			if err == nil {
				c.answered = append(c.answered, id)
				break
			}
			pause(ctx, 50*time.Millisecond)
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// check waits until all that was answered has arrived.
func (c *calls) check(t *testing.T, ctx context.Context) {
	t.Helper()
	missing := func() (out []string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, id := range c.answered {
			if !c.arrived[id] {
				out = append(out, id)
			}
		}
		return out
	}
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if !harness.Poll(bounded, 50*time.Millisecond, func() bool { return len(missing()) == 0 }) {
		t.Errorf("the endpoint lacks %d of %d messages: %.300v", len(missing()), len(c.answered), missing())
	}
}

// alarms are schedules that fire once, into a queue.
type alarms struct {
	clients  []*scheduler.Client
	queues   *sqs.Client
	url, arn string
	answered map[string]bool
	last     time.Time // when the last is due
}

func newAlarms(t *testing.T, ctx context.Context, urls []string, queues string) *alarms {
	t.Helper()
	a := &alarms{queues: harness.SQS(queues), answered: make(map[string]bool)}
	for _, url := range urls {
		a.clients = append(a.clients, scheduler.New(scheduler.Options{
			Region: harness.Region, BaseEndpoint: &url, HTTPClient: harness.HTTP(), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider(harness.Key, harness.Secret, ""),
		}))
	}
	out, err := a.queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("alarms"), Attributes: map[string]string{"VisibilityTimeout": "600"}})
	if err != nil {
		t.Fatal(err)
	}
	a.url, a.arn = *out.QueueUrl, "arn:aws:sqs:"+harness.Region+":000000000000:alarms"
	return a
}

// run makes a schedule after the other, each due in two to four seconds.
func (a *alarms) run(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		name := fmt.Sprint("alarm-", i)
		due := time.Now().Add(time.Duration(2+i%3) * time.Second).UTC()
		for try := 0; ctx.Err() == nil; try++ {
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*time.Second)
			_, err := a.clients[(i+try)%2].CreateSchedule(bounded, &scheduler.CreateScheduleInput{
				Name: &name, ScheduleExpression: aws.String("at(" + due.Format("2006-01-02T15:04:05") + ")"),
				FlexibleTimeWindow: &schedulertypes.FlexibleTimeWindow{Mode: schedulertypes.FlexibleTimeWindowModeOff},
				Target:             &schedulertypes.Target{Arn: &a.arn, RoleArn: aws.String("arn:aws:iam::000000000000:role/alarms"), Input: &name},
			})
			cancel()
			var there *schedulertypes.ConflictException // by a try whose answer was lost
			if err == nil || errors.As(err, &there) {
				a.answered[name], a.last = true, due
				break
			}
			pause(ctx, 50*time.Millisecond)
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// check empties the queue until each schedule has come, and once.
func (a *alarms) check(t *testing.T, ctx context.Context) {
	t.Helper()
	got := make(map[string]int)
	for ended := time.Now().Add(time.Minute); time.Now().Before(ended); {
		out, err := a.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &a.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			got[*m.Body]++
		}
		// One that comes twice may come behind all others.
		if len(out.Messages) == 0 && len(got) >= len(a.answered) && time.Now().After(a.last.Add(3*time.Second)) {
			break
		}
	}
	for name := range a.answered {
		if got[name] != 1 {
			t.Errorf("%s fired %d times", name, got[name])
		}
	}
}
