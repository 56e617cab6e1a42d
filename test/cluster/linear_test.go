package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/waystation/waystation/test/harness/linear"
)

// recorder notes the requests of one FIFO queue.
type recorder struct {
	began time.Time
	mu    sync.Mutex // guards ops
	ops   []porcupine.Operation
}

func (r *recorder) now() int64 { return int64(time.Since(r.began)) }

func (r *recorder) note(client int, in linear.Call, start int64, out linear.Result) {
	end := r.now()
	if out.Unknown {
		end = math.MaxInt64 // it may happen still
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if out.Unknown && in.Verb == linear.Receive {
		r.ops = append(r.ops, porcupine.Operation{ClientId: client, Input: linear.Call{Verb: linear.GiveBack, Attempt: in.Attempt}, Call: start, Output: out, Return: end})
	}
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

var groups = []string{"g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9", "g10", "g11"}

// do runs one request and says whether it was answered. A request that
// certainly did not reach a server is not noted.
func (p *player) do(ctx context.Context, f func(ctx context.Context, c *sqs.Client) error) (answered, sent bool) {
	answered, refused, sent := p.try(ctx, f)
	if refused != nil {
		p.t.Errorf("refused: %v", refused)
	}
	return answered, sent
}

// try is do, for requests that may be refused.
func (p *player) try(ctx context.Context, f func(ctx context.Context, c *sqs.Client) error) (answered bool, refused error, sent bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	err := f(ctx, p.clients[p.rand.IntN(len(p.clients))])
	if err == nil {
		return true, nil, true
	}
	var dial *net.OpError
	if errors.Is(err, syscall.ECONNREFUSED) && errors.As(err, &dial) && dial.Op == "dial" {
		return false, nil, false
	}
	var api smithy.APIError
	var resp interface{ HTTPStatusCode() int }
	if errors.As(err, &api) && errors.As(err, &resp) && resp.HTTPStatusCode() < 500 {
		return false, err, true
	}
	return false, nil, true
}

func (p *player) send(ctx context.Context) {
	p.calls++
	in := linear.Call{Verb: linear.Send, Group: groups[p.rand.IntN(len(groups))], ID: fmt.Sprintf("%d.%d", p.number, p.calls)}
	for range 20 {
		start := p.now()
		answered, sent := p.do(ctx, func(ctx context.Context, c *sqs.Client) error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &p.url, MessageBody: &in.ID, MessageGroupId: &in.Group, MessageDeduplicationId: &in.ID})
			return err
		})
		if sent {
			p.note(p.number, in, start, linear.Result{Unknown: !answered})
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

// batch is how many messages a receive asks for.
const batch = 3

// receive takes messages, then deletes or releases each, in any order: so some are
// in flight before and some behind those that can be received.
func (p *player) receive(ctx context.Context) {
	p.calls++
	in := linear.Call{Verb: linear.Receive, Attempt: fmt.Sprintf("try-%d.%d", p.number, p.calls), Max: batch}
	type held struct {
		linear.Received
		handle string
	}
	var holds []held
	for answered := false; !answered; {
		start := p.now()
		out := linear.Result{}
		var sent bool
		answered, sent = p.do(ctx, func(ctx context.Context, c *sqs.Client) error {
			got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
				QueueUrl: &p.url, MaxNumberOfMessages: batch, WaitTimeSeconds: 1, ReceiveRequestAttemptId: &in.Attempt, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"MessageGroupId"},
			})
			if err != nil {
				return err
			}
			for _, m := range got.Messages {
				r := linear.Received{Group: m.Attributes["MessageGroupId"], ID: *m.Body}
				out.Got = append(out.Got, r)
				holds = append(holds, held{r, *m.ReceiptHandle})
			}
			return nil
		})
		out.Unknown = !answered
		if sent {
			p.note(p.number, in, start, out)
			in.Again = true
		}
		if !answered && ctx.Err() != nil {
			return
		}
		if !answered {
			pause(ctx, 100*time.Millisecond)
		}
	}
	p.rand.Shuffle(len(holds), func(i, j int) { holds[i], holds[j] = holds[j], holds[i] })
	for _, h := range holds {
		if p.rand.IntN(3) == 0 {
			p.release(ctx, h.Received, in.Attempt, h.handle)
		} else {
			p.delete(ctx, h.Received, h.handle)
		}
		pause(ctx, time.Duration(p.rand.IntN(20))*time.Millisecond)
	}
}

func (p *player) delete(ctx context.Context, m linear.Received, handle string) {
	for range 50 {
		start := p.now()
		answered, sent := p.do(ctx, func(ctx context.Context, c *sqs.Client) error {
			_, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &p.url, ReceiptHandle: &handle})
			return err
		})
		if sent {
			p.note(p.number, linear.Call{Verb: linear.Delete, Group: m.Group, ID: m.ID}, start, linear.Result{Unknown: !answered})
		}
		if answered {
			return
		}
		pause(context.WithoutCancel(ctx), 100*time.Millisecond)
	}
}

// release makes a message visible again. Repeated because it was not answered, it
// may be refused: the message is visible already, or another receive has it.
func (p *player) release(ctx context.Context, m linear.Received, attempt, handle string) {
	for range 50 {
		start := p.now()
		answered, refused, sent := p.try(ctx, func(ctx context.Context, c *sqs.Client) error {
			_, err := c.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &p.url, ReceiptHandle: &handle, VisibilityTimeout: 0})
			return err
		})
		if sent {
			p.note(p.number, linear.Call{Verb: linear.Release, Group: m.Group, ID: m.ID, Attempt: attempt}, start,
				linear.Result{Unknown: !answered && refused == nil, Refused: refused != nil})
		}
		if answered || refused != nil {
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
					pl.receive(ctx)
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

	unknown, moved, released := 0, 0, 0
	for _, op := range rec.ops {
		if op.Output.(linear.Result).Unknown {
			unknown++
		}
		switch op.Input.(linear.Call).Verb {
		case linear.Delete:
			moved++
		case linear.Release:
			released++
		}
	}
	t.Logf("%d requests, %d without an answer, %d deletes, %d releases", len(rec.ops), unknown, moved, released)
	if moved < 50 {
		t.Errorf("only %d messages went through the queue", moved)
	}
	start := time.Now()
	for _, g := range groups {
		verdict, info := porcupine.CheckOperationsVerbose(linear.Model(g), rec.ops, time.Minute)
		if verdict == porcupine.Ok {
			continue
		}
		t.Errorf("group %s: the history is %s", g, map[porcupine.CheckResult]string{porcupine.Illegal: "not linearizable", porcupine.Unknown: "too long for the checker"}[verdict])
		t.Log(linear.Story(rec.ops, g, info))
	}
	t.Logf("checked in %v", time.Since(start))
}
