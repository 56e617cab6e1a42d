package sns

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/apitest"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

const (
	account = "123456789012"
	other   = "210987654321"
	region  = "eu-west-1"
)

// env is the service over topics and queues on one simulated node.
type env struct {
	*service
	reg   *registry.Registry
	parts *partition.Service
}

func newEnv(t testing.TB) *env {
	t.Helper()
	New(Config{}) // the table can be had without any of it
	keys, err := access.New(access.Config{EnforcePolicies: true})
	if err != nil {
		t.Fatal(err)
	}
	node := jetsim.New(jetsim.Options{Seed: 1}).Node("one")
	ctx, cancel := context.WithCancel(context.Background())
	e := &env{}
	if e.reg, err = registry.Open(ctx, node, "ws", registry.Config{}); err != nil {
		t.Fatal(err)
	}
	topics, err := topic.New(topic.Config{Registry: e.reg, Access: keys})
	if err != nil {
		t.Fatal(err)
	}
	e.parts, err = partition.New(partition.Config{
		Conn: node, Registry: e.reg, Node: "one", Lease: time.Second, Kinds: kinds(),
		Renderers: map[byte]partition.Renderer{topic.Form: topics.Envelopes().Render},
	})
	if err != nil {
		t.Fatal(err)
	}
	topics.SetPartitions(e.parts)
	regCtx, stopReg := context.WithCancel(context.Background())
	var reg, others sync.WaitGroup
	reg.Go(func() { report(t, e.reg.Run(regCtx)) })
	<-e.reg.Ready()
	others.Go(func() { report(t, e.parts.Run(ctx)) })
	others.Go(func() { report(t, topics.Run(ctx)) })
	t.Cleanup(func() {
		cancel()
		others.Wait()
		stopReg()
		reg.Wait()
		node.Kill()
	})
	<-e.parts.Ready()
	if err := topics.Envelopes().Load(ctx); err != nil {
		t.Fatal(err)
	}
	e.service = newService(Config{Topics: topics, Secrets: e.reg, Access: keys})
	return e
}

func report(t testing.TB, err error) {
	if err != nil {
		t.Error(err)
	}
}

// as is a call of an account's root.
func as(account string) *protocol.Call { return apitest.Call(account, region, protocol.Query) }

// anonymous is an unsigned call.
func anonymous() *protocol.Call {
	c := as("")
	c.Principal = access.Principal{Anonymous: true}
	return c
}

// make makes a topic and gives its ARN.
func (e *env) make(t testing.TB, name string, attributes ...string) string {
	t.Helper()
	in := &createTopicInput{Name: name, Attributes: pairs(attributes)}
	if strings.HasSuffix(name, fifoSuffix) {
		in.Attributes[fifoTopic] = "true"
	}
	out, err := e.createTopic(t.Context(), as(account), in)
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return out.TopicArn
}

func pairs(list []string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(list); i += 2 {
		m[list[i]] = list[i+1]
	}
	return m
}

// queue makes a queue that lets topics of the account send.
func (e *env) queue(t testing.TB, owner, name string) *registry.Queue {
	t.Helper()
	q, _, err := e.reg.CreateQueue(t.Context(), registry.Queue{
		Meta: registry.Meta{Account: owner, Region: region, Name: name}, FIFO: strings.HasSuffix(name, fifoSuffix),
		RetentionSeconds: 3600, VisibilitySeconds: 30, MaxMessageSize: 1 << 20,
		Policy: `{"Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:*","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"` + account + `"}}}]}`,
	}, func(*registry.Queue) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// subscribed subscribes a queue and gives the subscription's ARN.
func (e *env) subscribed(t testing.TB, topicARN string, q *registry.Queue, attributes ...string) string {
	t.Helper()
	out, err := e.subscribe(t.Context(), as(account), &subscribeInput{
		TopicArn: topicARN, Protocol: "sqs", Endpoint: q.ARN(), Attributes: pairs(attributes), ReturnSubscriptionArn: true,
	})
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	return out.SubscriptionArn
}

// receive takes what a queue has.
func (e *env) receive(t testing.TB, q *registry.Queue) []partition.Received {
	t.Helper()
	got, err := e.parts.Receive(t.Context(), q, partition.ReceiveOptions{Max: 10, Visibility: 600, Origin: "http://h"})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func ptr[T any](v T) *T { return &v }

var wantError = apitest.WantError

// kinds of queues: those of topics, and of what is pushed to endpoints.
func kinds() map[partition.Kind]partition.KindTerms {
	all := topic.Kinds()
	maps.Copy(all, delivery.Kinds(0))
	return all
}
