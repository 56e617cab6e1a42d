package fanout

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Stats of a load.
type Stats struct{ Sent, Answered, Again, Copies int }

// Check empties all queues, once nothing is published and nobody is down any more, and
// returns what is wrong.
func (f *Fanout) Check(ctx context.Context) ([]string, Stats) {
	stats := Stats{Sent: len(f.sent), Again: f.again}
	for _, m := range f.sent {
		if !m.answered.IsZero() {
			stats.Answered++
		}
	}
	var all sync.WaitGroup
	for i, q := range f.queues {
		all.Go(func() {
			copies, err := f.empty(ctx, q, f.nodes[i%len(f.nodes)])
			if err != nil {
				f.complain("%s cannot be emptied: %v", q.name, err)
				return
			}
			f.mu.Lock()
			stats.Copies += len(copies)
			f.mu.Unlock()
			f.judge(q, copies)
		})
	}
	all.Wait()
	f.definitions(ctx)
	return f.faults, stats
}

// empty receives and deletes all that a queue has, and gives the ids in their order.
// Outboxes hand over within moments: it is empty when it gave nothing for a second.
func (f *Fanout) empty(ctx context.Context, q *queue, n node) (ids []string, err error) {
	for {
		out, err := n.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
		if err != nil {
			return nil, err
		}
		if len(out.Messages) == 0 {
			return ids, nil
		}
		in := &sqs.DeleteMessageBatchInput{QueueUrl: &q.url}
		for i, m := range out.Messages {
			var content struct{ ID string }
			if err := json.Unmarshal([]byte(*m.Body), &content); err != nil {
				return nil, fmt.Errorf("%s: %w", *m.Body, err)
			}
			ids = append(ids, content.ID)
			number := fmt.Sprint(i)
			in.Entries = append(in.Entries, sqstypes.DeleteMessageBatchRequestEntry{Id: &number, ReceiptHandle: m.ReceiptHandle})
		}
		deleted, err := n.sqs.DeleteMessageBatch(ctx, in)
		if err != nil || len(deleted.Failed) > 0 {
			return nil, fmt.Errorf("delete: %v, %v", err, deleted)
		}
	}
}

// judge holds what a queue had against what it should have had.
func (f *Fanout) judge(q *queue, copies []string) {
	there := make(map[string]bool)
	last := make(map[string]*message) // by group
	for _, id := range copies {
		m := f.sent[id]
		switch {
		case m == nil || m.source != q.source:
			f.complain("%s has %s, which nobody sent there", q.name, id)
			continue
		case !q.left.IsZero() && m.began.After(q.left):
			f.complain("%s has %s, which was sent after it was taken away", q.name, id)
		}
		if !q.fifo {
			there[id] = true
			continue
		}
		if before := last[m.group]; there[id] {
			f.complain("%s has %s twice", q.name, id)
		} else if before != nil && before.number > m.number {
			f.complain("%s has %s behind %s", q.name, id, before.id)
		}
		there[id], last[m.group] = true, m
	}
	var missing []string
	for id, m := range f.sent {
		owed := m.source == q.source && !m.answered.IsZero() && m.began.After(q.since) && (q.leaving.IsZero() || m.answered.Before(q.leaving))
		if owed && !there[id] {
			missing = append(missing, id)
		}
	}
	if sort.Strings(missing); len(missing) > 0 {
		f.complain("%s lacks %d messages that were answered: %.300v", q.name, len(missing), missing)
	}
}

// definitions checks that every node has the subscriptions that there should be.
func (f *Fanout) definitions(ctx context.Context) {
	for i, n := range f.nodes {
		have := make(map[string]bool)
		out, err := n.sns.ListSubscriptions(ctx, &sns.ListSubscriptionsInput{})
		if err != nil {
			f.complain("node %d lists no subscriptions: %v", i, err)
			continue
		}
		for _, s := range out.Subscriptions {
			have[*s.SubscriptionArn] = true
		}
		for _, q := range f.queues {
			if q.source != bus && have[q.handle] != q.leaving.IsZero() {
				f.complain("node %d has the subscription of %s: %v", i, q.name, have[q.handle])
			}
		}
	}
}
