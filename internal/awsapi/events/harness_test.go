package events

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/apitest"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

const (
	account = "123456789012"
	other   = "210987654321"
	region  = "eu-west-1"
)

// env is the service over buses and queues on one simulated node.
type env struct {
	*service
	reg   *registry.Registry
	parts *partition.Service
	// tooLarge: the log takes nothing.
	tooLarge atomic.Bool
}

// posting are the partitions of an env.
type posting struct {
	*partition.Service
	e *env
}

func (p posting) Post(ctx context.Context, from uint32, items []partition.PostItem) ([]partition.Posted, error) {
	if p.e.tooLarge.Load() {
		return nil, partition.ErrTooLarge
	}
	return p.Service.Post(ctx, from, items)
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
	buses, err := bus.New(bus.Config{Registry: e.reg, Access: keys, MaxRules: 4})
	if err != nil {
		t.Fatal(err)
	}
	e.parts, err = partition.New(partition.Config{
		Conn: node, Registry: e.reg, Node: "one", Lease: time.Second, Kinds: bus.Kinds(), Renderers: map[byte]partition.Renderer{bus.Form: bus.Render},
	})
	if err != nil {
		t.Fatal(err)
	}
	buses.SetPartitions(posting{e.parts, e})
	regCtx, stopReg := context.WithCancel(context.Background())
	var reg, others sync.WaitGroup
	reg.Go(func() { report(t, e.reg.Run(regCtx)) })
	<-e.reg.Ready()
	others.Go(func() { report(t, e.parts.Run(ctx)) })
	others.Go(func() { report(t, buses.Run(ctx)) })
	t.Cleanup(func() {
		cancel()
		others.Wait()
		stopReg()
		reg.Wait()
		node.Kill()
	})
	<-e.parts.Ready()
	e.service = newService(Config{Buses: buses, Secrets: e.reg, Access: keys})
	return e
}

func report(t testing.TB, err error) {
	if err != nil {
		t.Error(err)
	}
}

// as is a call of an account's root.
func as(account string) *protocol.Call { return apitest.Call(account, region, protocol.JSON) }

// queue makes a queue that lets rules of the account send.
func (e *env) queue(t testing.TB, name string) *registry.Queue {
	t.Helper()
	q, _, err := e.reg.CreateQueue(t.Context(), registry.Queue{
		Meta: registry.Meta{Account: account, Region: region, Name: name}, FIFO: strings.HasSuffix(name, fifoSuffix),
		RetentionSeconds: 3600, VisibilitySeconds: 30, MaxMessageSize: 1 << 20,
		Policy: `{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:*","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"` + account + `"}}}]}`,
	}, func(*registry.Queue) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// rule makes a rule on a bus ("": the default one) that leads to a queue.
func (e *env) rule(t testing.TB, bus, name, pattern string, q *registry.Queue) {
	t.Helper()
	_, err := e.putRule(t.Context(), as(account), &putRuleInput{Name: name, EventBusName: bus, EventPattern: pattern})
	if err == nil && q != nil {
		_, err = e.putTargets(t.Context(), as(account), &putTargetsInput{Rule: name, EventBusName: bus, Targets: []target{{Id: "q", Arn: q.ARN()}}})
	}
	if err != nil {
		t.Fatalf("rule %s: %v", name, err)
	}
}

// bodies are those of the messages that a queue has.
func (e *env) bodies(t testing.TB, q *registry.Queue) (list []string) {
	t.Helper()
	got, err := e.parts.Receive(t.Context(), q, partition.ReceiveOptions{Max: 10, Visibility: 600})
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		list = append(list, got[i].Body)
	}
	return list
}

func ptr[T any](v T) *T { return &v }

var wantError = apitest.WantError
