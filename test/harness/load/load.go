package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/waystation/waystation/test/harness/ledger"
)

// The queues of the load.
const (
	Standard   = "load"
	Dead       = "load-dead"
	FIFO       = "load.fifo"
	FIFORetry  = "load-retry.fifo"
	FIFODead   = "load-dead.fifo"
	visibility = 3 * time.Second
	maxReceive = 3
)

// Queues is what the ledger has to know of them.
func Queues() []ledger.Queue {
	return []ledger.Queue{
		{Name: Standard, Visibility: visibility, MaxReceive: maxReceive, DeadLetter: Dead},
		{Name: Dead, Visibility: visibility},
		{Name: FIFO, FIFO: true, Visibility: visibility},
		{Name: FIFORetry, FIFO: true, Visibility: visibility, MaxReceive: maxReceive, DeadLetter: FIFODead},
		{Name: FIFODead, FIFO: true, Visibility: visibility},
	}
}

// Config of a load.
type Config struct {
	Clients []*sqs.Client                   // every request takes one of them
	Ledger  *ledger.Ledger                  // of Queues()
	Seed    uint64                          // of all random choices
	Recover func(ctx context.Context) error // called after a failed request, before the next
	Backlog int                             // producers of a queue rest while more of it are undeleted; 0: 500
	Request time.Duration                   // bound of one request beyond its wait; 0: 5 s
}

// Load is a running load. All methods are for one caller at a time.
type Load struct {
	cfg  Config
	urls map[string]string
	// ids are unique in one load.
	idMu sync.Mutex // guards next
	next int
}

// New creates the queues.
func New(ctx context.Context, cfg Config) (*Load, error) {
	if cfg.Backlog == 0 {
		cfg.Backlog = 500
	}
	if cfg.Request == 0 {
		cfg.Request = 5 * time.Second
	}
	l := &Load{cfg: cfg, urls: map[string]string{}}
	hide := fmt.Sprint(int(visibility / time.Second))
	for _, q := range []struct {
		name, dead string
		more       map[string]string
	}{
		{name: Dead}, {name: FIFODead, more: map[string]string{"FifoQueue": "true"}},
		{name: Standard, dead: Dead}, {name: FIFO, more: map[string]string{"FifoQueue": "true"}},
		{name: FIFORetry, dead: FIFODead, more: map[string]string{"FifoQueue": "true"}},
	} {
		attrs := map[string]string{"VisibilityTimeout": hide}
		for k, v := range q.more {
			attrs[k] = v
		}
		if q.dead != "" {
			dead := l.urls[q.dead]
			out, err := cfg.Clients[0].GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &dead, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
			if err != nil {
				return nil, err
			}
			attrs["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, out.Attributes["QueueArn"], maxReceive)
		}
		out, err := cfg.Clients[0].CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.name, Attributes: attrs})
		if err != nil {
			return nil, fmt.Errorf("create %s: %w", q.name, err)
		}
		l.urls[q.name] = *out.QueueUrl
	}
	return l, nil
}

// Run produces and consumes until ctx is over, then lets every request in
// flight finish.
func (l *Load) Run(ctx context.Context) {
	var work sync.WaitGroup
	start := func(n int, f func(w *worker)) {
		for range n {
			w := l.worker(ctx)
			work.Go(func() { f(w) })
		}
	}
	start(2, func(w *worker) { w.produce(Standard, "") })
	start(1, func(w *worker) { w.produceBatches(Standard) })
	for g := range 4 {
		start(1, func(w *worker) { w.produce(FIFO, fmt.Sprint("g", g)) })
	}
	for g := range 3 {
		start(1, func(w *worker) { w.produce(FIFORetry, fmt.Sprint("r", g)) })
	}
	start(3, func(w *worker) { w.consume(Standard, false) })
	start(2, func(w *worker) { w.consume(FIFO, false) })
	start(2, func(w *worker) { w.consume(FIFORetry, false) })
	start(1, func(w *worker) { w.consume(Dead, false) })
	start(1, func(w *worker) { w.consume(FIFODead, false) })
	work.Wait()
}

// Drain consumes until every queue is empty, or ctx is over.
func (l *Load) Drain(ctx context.Context) error {
	stop, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	for _, name := range []string{Standard, Standard, FIFO, FIFO, FIFORetry, FIFORetry, Dead, FIFODead} {
		w := l.worker(stop)
		work.Go(func() { w.consume(name, true) })
	}
	err := l.empty(ctx)
	cancel()
	work.Wait()
	return err
}

// empty waits until all counts of all queues are zero.
func (l *Load) empty(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	left := "not counted"
	for {
		sum, all, err := 0, "", error(nil)
		for _, name := range []string{Standard, FIFO, FIFORetry, Dead, FIFODead} {
			var n [3]int
			if n, err = l.counts(ctx, name); err != nil {
				break
			}
			sum += n[0] + n[1] + n[2]
			all += fmt.Sprintf(" %s %v", name, n)
		}
		if err == nil && sum == 0 {
			return nil
		}
		if err == nil {
			left = all
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("queues were not empty in time (visible, in flight, delayed):%s", left)
		case <-tick.C:
		}
	}
}

func (l *Load) counts(ctx context.Context, name string) (n [3]int, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Request)
	defer cancel()
	url := l.urls[name]
	out, err := l.cfg.Clients[0].GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		return n, err
	}
	for i, k := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		if n[i], err = strconv.Atoi(out.Attributes[k]); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (l *Load) id() string {
	l.idMu.Lock()
	defer l.idMu.Unlock()
	l.next++
	return fmt.Sprintf("m%07d", l.next)
}

// worker is one producer or consumer.
type worker struct {
	*Load
	ctx  context.Context // over: start nothing new
	rand *rand.Rand
}

func (l *Load) worker(ctx context.Context) *worker {
	l.idMu.Lock()
	defer l.idMu.Unlock()
	l.next++
	return &worker{Load: l, ctx: ctx, rand: rand.New(rand.NewPCG(l.cfg.Seed, uint64(l.next)))}
}

func (w *worker) client() *sqs.Client { return w.cfg.Clients[w.rand.IntN(len(w.cfg.Clients))] }

// request bounds one request by itself, not by the end of the load, so that
// outcomes stay known.
func (w *worker) request(wait time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(w.ctx), wait+w.cfg.Request)
}

// failed sorts an error: a refusal that may not happen is a fault, all else
// means that the outcome is unknown. It waits until it makes sense to go on,
// and says whether it does.
func (w *worker) failed(what string, err error, allowed ...string) bool {
	var api smithy.APIError
	if errors.As(err, &api) && status(err) < 500 {
		if !slices.Contains(allowed, api.ErrorCode()) {
			w.cfg.Ledger.Complain("%s was refused: %v", what, err)
		}
		return w.ctx.Err() == nil
	}
	w.cfg.Ledger.Unknown()
	return w.cfg.Recover(w.ctx) == nil
}

// noAnswer stands for the status of a request that got none: the outcome is as
// unknown as after a 5xx.
const noAnswer = 599

func status(err error) int {
	var r interface{ HTTPStatusCode() int }
	if errors.As(err, &r) && r.HTTPStatusCode() >= 400 {
		return r.HTTPStatusCode()
	}
	return noAnswer
}

// rest waits while the queue's backlog is full and says whether to go on.
func (w *worker) rest(queue string) bool {
	for {
		n, lower := w.cfg.Ledger.Open(queue)
		if n < w.cfg.Backlog {
			return w.ctx.Err() == nil
		}
		select {
		case <-lower:
		case <-w.ctx.Done():
			return false
		}
	}
}

// body makes a message's body: its id, whether it is poison, and filler.
func (w *worker) body(id string, poison bool) string {
	kind := "good"
	if poison {
		kind = "poison"
	}
	n := w.rand.IntN(300)
	if w.rand.IntN(100) == 0 {
		n = 20_000 + w.rand.IntN(80_000)
	}
	return id + "|" + kind + "|" + strings.Repeat("x", n)
}

func (w *worker) produce(queue, group string) {
	for w.rest(queue) {
		id := w.id()
		body := w.body(id, queue != FIFO && w.rand.IntN(25) == 0)
		in := &sqs.SendMessageInput{QueueUrl: aws.String(w.urls[queue]), MessageBody: &body}
		var delay time.Duration
		if group != "" {
			in.MessageGroupId, in.MessageDeduplicationId = &group, &id
		} else if w.rand.IntN(5) == 0 {
			in.DelaySeconds = int32(1 + w.rand.IntN(2))
			delay = time.Duration(in.DelaySeconds) * time.Second
		}
		w.cfg.Ledger.Send(queue, group, id, body, delay)
		for {
			ctx, cancel := w.request(0)
			_, err := w.client().SendMessage(ctx, in)
			cancel()
			if err == nil {
				w.cfg.Ledger.Sent(id)
				break
			}
			// A FIFO message is sent again until it is acknowledged: its order
			// and its deduplication id make that safe. A standard one may have
			// been stored or not.
			if !w.failed("SendMessage", err) {
				return
			}
			if group == "" || status(err) < 500 {
				break
			}
		}
	}
}

func (w *worker) produceBatches(queue string) {
	for w.rest(queue) {
		in := &sqs.SendMessageBatchInput{QueueUrl: aws.String(w.urls[queue])}
		for range 1 + w.rand.IntN(10) {
			id := w.id()
			body := w.body(id, w.rand.IntN(25) == 0)
			w.cfg.Ledger.Send(queue, "", id, body, 0)
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body})
		}
		ctx, cancel := w.request(0)
		out, err := w.client().SendMessageBatch(ctx, in)
		cancel()
		if err != nil {
			if !w.failed("SendMessageBatch", err) {
				return
			}
			continue
		}
		for _, r := range out.Successful {
			w.cfg.Ledger.Sent(*r.Id)
		}
	}
}
