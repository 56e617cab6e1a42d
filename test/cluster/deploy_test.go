package cluster

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
)

const (
	checkEvery  = 100 * time.Millisecond // the load balancer's look at /readyz
	deployDelay = 3 * time.Second        // the servers' --drain-delay: thirty looks
)

// backend is a node as the load balancer knows it.
type backend struct {
	url   *url.URL
	proxy *httputil.ReverseProxy
	ready atomic.Bool
}

// balancer is a load balancer as they all are: it looks at /readyz every now and
// then, spreads requests over those that are ready, keeps connections to them, and
// does not repeat a request that failed.
type balancer struct {
	backends []*backend
	next     atomic.Uint64
	failures atomic.Int64
	changed  chan struct{} // a look found another state than before
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := b.next.Add(1)
	for i := range b.backends {
		be := b.backends[(start+uint64(i))%uint64(len(b.backends))]
		if be.ready.Load() {
			be.proxy.ServeHTTP(w, r)
			return
		}
	}
	b.failures.Add(1)
	http.Error(w, "no backend is ready", http.StatusBadGateway)
}

func (b *balancer) watch(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: time.Second}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		for _, be := range b.backends {
			ready := false
			if resp, err := client.Get(be.url.String() + "/readyz"); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				ready = resp.StatusCode == http.StatusOK
			}
			if be.ready.Swap(ready) != ready {
				select {
				case b.changed <- struct{}{}:
				default:
				}
			}
		}
		pause(ctx, checkEvery)
	}
}

// until waits until a look at the backends finds what is wanted.
func (b *balancer) until(ctx context.Context, found func() bool) bool {
	for !found() {
		select {
		case <-b.changed:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func balance(t *testing.T, urls ...string) (*balancer, string) {
	t.Helper()
	b := &balancer{changed: make(chan struct{}, 1)}
	for _, u := range urls {
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		p := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(parsed)
				r.SetXForwarded()
				r.Out.Host = r.In.Host
			},
			Transport: &http.Transport{MaxIdleConnsPerHost: 256},
			ErrorLog:  log.New(io.Discard, "", 0),
		}
		be := &backend{url: parsed, proxy: p}
		p.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				return // the client has gone
			}
			b.failures.Add(1)
			t.Logf("%s failed a request: %v", parsed.Host, err)
			w.WriteHeader(http.StatusBadGateway)
		}
		b.backends = append(b.backends, be)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { b.watch(ctx) })
	front := httptest.NewServer(b)
	t.Cleanup(func() {
		front.Close()
		cancel()
		done.Wait()
		for _, be := range b.backends {
			be.proxy.Transport.(*http.Transport).CloseIdleConnections()
		}
	})
	return b, front.URL
}

// tally counts what clients of one kind saw.
type tally struct {
	worked atomic.Int64
	mu     sync.Mutex // guards errs
	errs   map[string]int
}

func (c *tally) note(ctx context.Context, err error) {
	switch {
	case err == nil:
		c.worked.Add(1)
	case ctx.Err() == nil:
		c.mu.Lock()
		c.errs[fmt.Sprintf("%.300s", err)]++
		c.mu.Unlock()
	}
}

func (c *tally) check(t *testing.T, who string, atLeast int64) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Logf("%s: %d requests worked, %d kinds of errors", who, c.worked.Load(), len(c.errs))
	for err, n := range c.errs {
		t.Errorf("%s saw %d times: %s", who, n, err)
	}
	if n := c.worked.Load(); n < atLeast {
		t.Errorf("%s: only %d requests", who, n)
	}
}

// TestRollingRestart restarts two nodes behind a load balancer, one after the
// other, under load. No client sees an error: neither those that try again nor
// those that do not, neither busy ones nor those whose connections are idle most
// of the time, nor long polls.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	nats := harness.StartNATS(t)
	p := startNodes(t, nats.URL(), "--partitions", "4", "--drain-delay", deployDelay.String())
	p.nats = nats
	b, front := balance(t, p.nodes["a"].URL(), p.nodes["b"].URL())
	limit := bound(t, 2*time.Minute)
	both := func() bool { return b.backends[0].ready.Load() && b.backends[1].ready.Load() }
	if !b.until(limit, both) {
		t.Fatal("the load balancer does not see both nodes ready")
	}

	plain := harness.SQS(front)
	retrying := harness.SQS(front, func(o *sqs.Options) { o.Retryer = retry.NewStandard() })
	var queues []string
	for i := range 4 {
		queues = append(queues, queue(t, plain, fmt.Sprint("deploy", i), nil))
	}
	idle := queue(t, plain, "deploy-idle", nil)

	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	defer func() { stop(); done.Wait() }()
	counts := map[string]*tally{}
	run := func(who string, n int, each func(tally *tally, i int)) {
		c := &tally{errs: map[string]int{}}
		counts[who] = c
		for i := range n {
			done.Go(func() {
				for ctx.Err() == nil {
					each(c, i)
				}
			})
		}
	}
	trip := func(client *sqs.Client, rest time.Duration) func(*tally, int) {
		return func(c *tally, i int) {
			q := queues[i%len(queues)]
			_, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q, MessageBody: aws.String("x")})
			c.note(ctx, err)
			got, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q, WaitTimeSeconds: 1})
			c.note(ctx, err)
			if err == nil {
				for _, m := range got.Messages {
					_, err := client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q, ReceiptHandle: m.ReceiptHandle})
					c.note(ctx, err)
				}
			}
			if rest > 0 {
				pause(ctx, rest/2+rand.N(rest))
			}
		}
	}
	run("without retries", 8, trip(plain, 0))
	run("with retries", 8, trip(retrying, 0))
	run("mostly idle, without retries", 32, trip(plain, 300*time.Millisecond))
	run("long polls, without retries", 8, func(c *tally, _ int) {
		_, err := plain.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &idle, WaitTimeSeconds: 20})
		c.note(ctx, err)
	})

	for i, name := range []string{"a", "b"} {
		node := p.nodes[name]
		if err := syscall.Kill(node.Pid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		// Stop sends a second one, as supervisors do.
		code, err := node.Stop(time.Minute)
		if err != nil || code != 0 {
			t.Fatalf("node %s: code %d, %v:\n%s", name, code, err, node.Output())
		}
		if b.backends[i].ready.Load() {
			t.Errorf("node %s has gone before the load balancer saw it", name)
		}
		if err := node.Again(); err != nil {
			t.Fatal(err)
		}
		if !b.until(limit, both) {
			t.Fatal("the load balancer does not see both nodes ready again")
		}
	}
	stop()
	done.Wait()
	counts["without retries"].check(t, "without retries", 100)
	counts["with retries"].check(t, "with retries", 100)
	counts["mostly idle, without retries"].check(t, "mostly idle, without retries", 100)
	counts["long polls, without retries"].check(t, "long polls, without retries", 4)
	if n := b.failures.Load(); n > 0 {
		t.Errorf("the load balancer saw %d failures", n)
	}
}
