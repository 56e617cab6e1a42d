package simulation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// item is a message to be sent, and its name in the book.
type item struct {
	msg  partition.Message
	body string
}

// batch is what was sent to a FIFO queue at once, to be sent again.
type batch struct {
	queue queuePlan
	items []item
	first time.Time
}

// send sends one message, or a few; on a FIFO queue again if there was no
// answer, and sometimes though there was one.
func (c *client) send(q queuePlan) {
	b := &batch{queue: q, items: c.compose(q), first: time.Now()}
	for range 4 {
		err := c.sendBatch(b)
		again := errors.Is(err, errUnknown) || err == nil && c.r.IntN(8) == 0
		if !q.fifo || q.churns {
			return
		}
		if !again {
			break
		}
		time.Sleep(time.Duration(c.r.Int64N(int64(5 * time.Second))))
	}
	c.batches = append(c.batches, b)
}

// repeat sends again what was sent before, though it was answered.
func (c *client) repeat() {
	for len(c.batches) > 0 && time.Since(c.batches[0].first) > c.s.plan.repeats {
		c.batches = c.batches[1:]
	}
	if len(c.batches) > 0 {
		_ = c.sendBatch(c.batches[c.r.IntN(len(c.batches))])
	}
}

// compose makes messages for a queue.
func (c *client) compose(q queuePlan) []item {
	count := 1
	if c.r.IntN(4) == 0 {
		count = 1 + c.r.IntN(9)
	}
	count = min(count, c.s.plan.batch())
	items := make([]item, count)
	for i := range items {
		c.sent++
		id := fmt.Sprintf("%d.%d", c.number, c.sent)
		body := id + "|"
		if c.s.plan.big > 0 && (c.s.plan.bulky || c.r.IntN(3) == 0) {
			body += strings.Repeat("x", c.r.IntN(c.s.plan.big))
		}
		m := partition.Message{Body: body, Delay: -1}
		if q.fifo {
			m.GroupID, m.DedupID = fmt.Sprint("g", c.r.IntN(3)), id
		} else if c.r.IntN(4) == 0 {
			m.Delay = int32(c.r.IntN(int(maxTime / time.Second)))
		}
		items[i] = item{m, id}
	}
	if q.fifo {
		for i := range items {
			items[i].msg.GroupID = items[0].msg.GroupID
		}
	}
	return items
}

// sendBatch sends a batch once, each message by a new id.
func (c *client) sendBatch(b *batch) error {
	msgs := make([]partition.Message, len(b.items))
	for i := range b.items {
		msgs[i] = b.items[i].msg
		msgs[i].ID = messageID(c.r)
	}
	var noted []*message
	sent, _, err := onPage(c, c.node(), b.queue, sendVerb, patience, func(p *page) {
		for i := range b.items {
			delay := p.delay
			if msgs[i].Delay >= 0 && !p.fifo {
				delay = time.Duration(msgs[i].Delay) * time.Second
			}
			noted = append(noted, c.s.book.sending(p, b.items[i].body, msgs[i].GroupID, msgs[i].Body, delay))
		}
	}, func(ctx context.Context, r *run, def *registry.Queue) ([]partition.SendResult, error) {
		return r.svc.Send(ctx, def, msgs)
	})
	for i, m := range noted {
		if err == nil {
			c.s.book.sent(m, sent[i].ID)
		} else {
			c.s.book.unsent(m)
		}
	}
	return err
}
