package scheduler

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/apitest"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = "123456789012"
	other   = "210987654321"
	region  = "eu-west-1"
	role    = "arn:aws:iam::123456789012:role/scheduler"
	queue   = "arn:aws:sqs:eu-west-1:123456789012:jobs"
)

// env is the service over a scheduler on one simulated node, which does not fire.
type env struct {
	*service
	reg *registry.Registry
}

// Topics and buses that no test here reaches.
type (
	noTopics struct{}
	noBuses  struct{}
)

func (noTopics) Find(context.Context, string, string, string) (*registry.Topic, error) {
	return nil, scheduler.ErrGone
}

func (noTopics) Plan(context.Context, *registry.Topic, scheduler.Message) (scheduler.Plan, error) {
	return scheduler.Plan{}, scheduler.ErrGone
}

func (noBuses) Find(context.Context, string, string, string) (*registry.Bus, error) {
	return nil, scheduler.ErrGone
}

func (noBuses) Plan(context.Context, *registry.Bus, scheduler.Event) (scheduler.Plan, error) {
	return scheduler.Plan{}, scheduler.ErrGone
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
	parts, err := partition.New(partition.Config{Conn: node, Registry: e.reg, Node: "one", Count: 2, Lease: time.Second, Kinds: scheduler.Kinds()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := scheduler.New(scheduler.Config{Registry: e.reg, Access: keys, Partitions: parts, Topics: noTopics{}, Buses: noBuses{}, CatchUpAge: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	regCtx, stopReg := context.WithCancel(context.Background())
	var reg, others sync.WaitGroup
	reg.Go(func() { report(t, e.reg.Run(regCtx)) })
	<-e.reg.Ready()
	others.Go(func() { report(t, parts.Run(ctx)) })
	t.Cleanup(func() {
		cancel()
		others.Wait()
		stopReg()
		reg.Wait()
		node.Kill()
	})
	<-parts.Ready()
	e.service = newService(Config{Scheduler: s, Secrets: e.reg, Access: keys})
	return e
}

func report(t testing.TB, err error) {
	if err != nil {
		t.Error(err)
	}
}

// as is a call of an account's root.
func as(account string) *protocol.Call { return apitest.Call(account, region, protocol.RESTJSON) }

// limited is a call of a user of the account with a policy.
func limited(t testing.TB, statement string) *protocol.Call {
	t.Helper()
	c := as(account)
	p, err := access.ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":[`+statement+`]}`), access.Identity)
	if err != nil {
		t.Fatal(err)
	}
	c.Principal = access.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":user/ann", UserID: "AIDA1", Policy: p}
	return c
}

// aSchedule is an input that is valid.
func aSchedule(name string) *scheduleInput {
	return &scheduleInput{
		Name: name, ScheduleExpression: "rate(1 hour)", State: disabled, FlexibleTimeWindow: &flexibleTimeWindow{Mode: windowOff},
		Target: &target{Arn: queue, RoleArn: role},
	}
}

func ptr[T any](v T) *T { return &v }

var wantError = apitest.WantError
