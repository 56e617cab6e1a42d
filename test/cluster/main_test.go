package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// pair is two nodes on one NATS.
type pair struct {
	t     *testing.T
	nats  *harness.NATS
	nodes map[string]*harness.Server
}

func startPair(t *testing.T, partitions int) *pair {
	t.Helper()
	nats := harness.StartNATS(t)
	p := startNodes(t, nats.URL(), "--partitions", strconv.Itoa(partitions))
	p.nats = nats
	return p
}

func startNodes(t *testing.T, url string, args ...string) *pair {
	t.Helper()
	p := &pair{t: t, nodes: map[string]*harness.Server{}}
	for _, name := range []string{"a", "b"} {
		p.nodes[name] = harness.Start(t, harness.Options{NATS: url, Node: name, Args: args})
	}
	return p
}

func (p *pair) client(node string) *sqs.Client { return harness.SQS(p.nodes[node].URL()) }

func other(node string) string {
	if node == "a" {
		return "b"
	}
	return "a"
}

// owner asks the nodes who owns a partition, until one of them says so of
// itself.
func (p *pair) owner(partition int) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	owner := ""
	found := harness.Poll(ctx, 50*time.Millisecond, func() bool {
		for name, s := range p.nodes {
			var status struct {
				Partitions []struct {
					Number int    `json:"number"`
					Mine   bool   `json:"mine"`
					State  string `json:"state"`
				} `json:"partitions"`
			}
			if getJSON(ctx, s.URL()+"/status", &status) != nil {
				continue
			}
			for _, q := range status.Partitions {
				if q.Number == partition && q.Mine && q.State == "ready" {
					owner = name
					return true
				}
			}
		}
		return false
	})
	if !found {
		p.t.Fatalf("nobody owns partition %d", partition)
	}
	return owner
}

func getJSON(ctx context.Context, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// queue creates a queue through a node.
func queue(t *testing.T, c *sqs.Client, name string, attrs map[string]string) string {
	t.Helper()
	out, err := c.CreateQueue(bound(t, 20*time.Second), &sqs.CreateQueueInput{QueueName: &name, Attributes: attrs})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

func bound(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func send(ctx context.Context, c *sqs.Client, url, body string) error {
	_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(body)})
	return err
}

// pause waits for d, unless ctx is over first.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// seed is that of WAYSTATION_SEED, or a new one; it is logged.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if given := os.Getenv("WAYSTATION_SEED"); given != "" {
		var err error
		if s, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("WAYSTATION_SEED: %v", err)
		}
	}
	t.Logf("WAYSTATION_SEED=%d", s)
	return s
}

// soak is how long the load should last, 0 if not asked for.
func soak(t *testing.T) time.Duration {
	t.Helper()
	given := os.Getenv("WAYSTATION_SOAK")
	if given == "" {
		return 0
	}
	d, err := time.ParseDuration(given)
	if err != nil {
		t.Fatalf("WAYSTATION_SOAK: %v", err)
	}
	return d
}
