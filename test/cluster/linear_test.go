package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// recorder notes the requests of one FIFO queue.
type recorder struct {
	began time.Time
	mu    sync.Mutex // guards ops
	ops   []porcupine.Operation
}

func (r *recorder) now() int64 { return int64(time.Since(r.began)) }

func (r *recorder) note(client int, in call, start int64, out result) {
	end := r.now()
	if out.unknown {
		end = math.MaxInt64 // it may happen still
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, porcupine.Operation{ClientId: client, Input: in, Call: start, Output: out, Return: end})
}

// player sends requests one after the other, through either node.
type player struct {
	*recorder
	t       *testing.T
	number  int
	url     string
	clients []*sqs.Client
	rand    *rand.Rand
	calls   int
}

var groups = []string{"g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7"}

// do runs one request and says whether it was answered. A request that
// certainly did not reach a server is not noted.
func (p *player) do(ctx context.Context, f func(ctx context.Context, c *sqs.Client) error) (answered, sent bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	err := f(ctx, p.clients[p.rand.IntN(len(p.clients))])
	if err == nil {
		return true, true
	}
	var dial *net.OpError
	if errors.Is(err, syscall.ECONNREFUSED) && errors.As(err, &dial) && dial.Op == "dial" {
		return false, false
	}
	var api smithy.APIError
	var resp interface{ HTTPStatusCode() int }
	if errors.As(err, &api) && errors.As(err, &resp) && resp.HTTPStatusCode() < 500 {
		p.t.Errorf("refused: %v", err)
	}
	return false, true
}

func (p *player) send(ctx context.Context) {
	p.calls++
	in := call{verb: sendOp, group: groups[p.rand.IntN(len(groups))], id: fmt.Sprintf("%d.%d", p.number, p.calls)}
	for range 20 {
		start := p.now()
		answered, sent := p.do(ctx, func(ctx context.Context, c *sqs.Client) error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &p.url, MessageBody: &in.id, MessageGroupId: &in.group, MessageDeduplicationId: &in.id})
			return err
		})
		if sent {
			p.note(p.number, in, start, result{unknown: !answered})
		}
		if answered || ctx.Err() != nil {
			return
		}
		pause(ctx, 100*time.Millisecond)
		if sent && p.rand.IntN(3) == 0 {
			return // never to be known
		}
	}
}

func (p *player) receiveAndDelete(ctx context.Context) {
	p.calls++
	attempt := fmt.Sprintf("try-%d.%d", p.number, p.calls)
	handle, held := "", call{verb: deleteOp}
	for handle == "" {
		start := p.now()
		in, out := call{verb: receiveOp, attempt: attempt}, result{}
		answered, sent := p.do(ctx, func(ctx context.Context, c *sqs.Client) error {
			got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
				QueueUrl: &p.url, MaxNumberOfMessages: 1, WaitTimeSeconds: 1, ReceiveRequestAttemptId: &attempt, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"MessageGroupId"},
			})
			if err == nil && len(got.Messages) == 1 {
				handle, out.id, in.group = *got.Messages[0].ReceiptHandle, *got.Messages[0].Body, got.Messages[0].Attributes["MessageGroupId"]
				held.id, held.group = out.id, in.group
			}
			return err
		})
		out.unknown = !answered
		if sent {
			p.note(p.number, in, start, out)
		}
		if answered && handle == "" || ctx.Err() != nil && handle == "" {
			return
		}
		if !answered {
			pause(ctx, 100*time.Millisecond)
		}
	}
	for range 50 {
		start := p.now()
		answered, sent := p.do(ctx, func(ctx context.Context, c *sqs.Client) error {
			_, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &p.url, ReceiptHandle: aws.String(handle)})
			return err
		})
		if sent {
			p.note(p.number, held, start, result{unknown: !answered})
		}
		if answered {
			return
		}
		pause(context.WithoutCancel(ctx), 100*time.Millisecond)
	}
}

// TestLinearizable records what clients see of one FIFO queue while its owner
// is killed, frozen and stopped, and checks that one order of all requests
// explains it.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	s := seed(t)
	p := startPair(t, 1)
	url := queue(t, p.client("a"), "linear.fifo", map[string]string{"FifoQueue": "true", "VisibilityTimeout": "43200"})
	rec := &recorder{began: time.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var players sync.WaitGroup
	for n := range 6 {
		pl := &player{
			recorder: rec, t: t, number: n, url: url, clients: []*sqs.Client{p.client("a"), p.client("b")},
			rand: rand.New(rand.NewPCG(s, uint64(n))),
		}
		players.Go(func() {
			for ctx.Err() == nil {
				if n < 3 {
					pl.send(ctx)
					pause(ctx, time.Duration(pl.rand.IntN(60))*time.Millisecond)
				} else {
					pl.receiveAndDelete(ctx)
				}
			}
		})
	}
	random := rand.New(rand.NewPCG(s, 1000))
	for how := range 4 {
		pause(ctx, time.Duration(800+random.IntN(800))*time.Millisecond)
		p.disrupt(p.owner(0), how%3, time.Duration(4000+random.IntN(2000))*time.Millisecond)
	}
	pause(ctx, time.Second)
	cancel()
	players.Wait()

	unknown, moved := 0, 0
	for _, op := range rec.ops {
		if op.Output.(result).unknown {
			unknown++
		}
		if op.Input.(call).verb == deleteOp {
			moved++
		}
	}
	t.Logf("%d requests, %d without an answer, %d deletes", len(rec.ops), unknown, moved)
	if moved < 50 {
		t.Errorf("only %d messages went through the queue", moved)
	}
	start := time.Now()
	for _, g := range groups {
		m := model([]string{g})
		verdict, info := porcupine.CheckOperationsVerbose(m, rec.ops, time.Minute)
		if verdict == porcupine.Ok {
			continue
		}
		t.Errorf("group %s: the history is %s", g, map[porcupine.CheckResult]string{porcupine.Illegal: "not linearizable", porcupine.Unknown: "too long for the checker"}[verdict])
		t.Log(story(rec.ops, g, info))
	}
	t.Logf("checked in %v", time.Since(start))
}

// story tells a group's part of a history, and how far it could be explained.
func story(ops []porcupine.Operation, group string, info porcupine.LinearizationInfo) string {
	explained := 0
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, path := range partition {
			explained = max(explained, len(path))
		}
	}
	part := slices.Clone(ops)
	slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var s strings.Builder
	fmt.Fprintf(&s, "the longest prefix that can be explained has %d requests\n", explained)
	for _, op := range part {
		in, out := op.Input.(call), op.Output.(result)
		if in.group != "" && in.group != group || in.verb == receiveOp && out.id == "" && !out.unknown {
			continue
		}
		end := time.Duration(op.Return).Round(time.Millisecond).String()
		if out.unknown {
			end = "?"
		}
		fmt.Fprintf(&s, "%10v to %10s client %d: %s\n", time.Duration(op.Call).Round(time.Millisecond), end, op.ClientId, describe(in, out))
	}
	return s.String()
}
