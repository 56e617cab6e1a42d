package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// queue is a queue made for one round and deleted after it.
type queue struct {
	url  string // as the server named it
	text string // the same as JSON text without quotes
	fifo bool
}

// request performs one administrative request through the admin connection.
func (r *round) request(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	status, answer, err := r.admin.do(ctx, operation, body, 0)
	if err != nil {
		return fmt.Errorf("%s at %s: %w", operation, r.ep.url, err)
	}
	if status != 200 {
		return fmt.Errorf("%s at %s: %s", operation, r.ep.url, errorCode(status, answer, nil))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s at %s: %w", operation, r.ep.url, err)
	}
	return nil
}

// create makes a queue whose name starts with the prefix of --queue. The
// visibility timeout is long enough that nothing comes back during a run.
func (r *round) create(ctx context.Context, kind string, fifo bool) (*queue, error) {
	var id [4]byte
	rand.Read(id[:])
	name := r.opt.Queue + "-" + kind + "-" + hex.EncodeToString(id[:])
	attributes := map[string]string{"VisibilityTimeout": "600"}
	if fifo {
		name += ".fifo"
		attributes["FifoQueue"] = "true"
	}
	if r.bare { // as long as the real one, so that requests are alike
		return &queue{text: r.ep.url + "/000000000000/" + name}, nil
	}
	in := map[string]any{"QueueName": name, "Attributes": attributes}
	var out struct{ QueueUrl string }
	if err := r.request(ctx, "CreateQueue", in, &out); err != nil {
		return nil, err
	}
	quoted, err := json.Marshal(out.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &queue{url: out.QueueUrl, text: string(quoted[1 : len(quoted)-1]), fifo: fifo}, nil
}

// drop deletes a queue, also after the run was cancelled.
func (r *round) drop(ctx context.Context, q *queue) error {
	if r.bare {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	r.admin.close() // its connection is bound to the ctx it was dialled with
	return r.request(ctx, "DeleteQueue", map[string]any{"QueueUrl": q.url}, nil)
}

// fill puts n messages into q in batches of ten over all connections.
func (r *round) fill(ctx context.Context, q *queue, n int, group func(number uint64) int) error {
	f := &round{opt: r.opt, ep: r.ep, name: "filling the queue", admin: r.admin, count: int64(n)}
	res, err := f.drive(ctx, 0, group10(f, q, group))
	if err != nil {
		return err
	}
	if int(res.Messages) < n {
		return fmt.Errorf("only %d of %d messages could be sent to fill the queue: %v", res.Messages, n, res.Errors)
	}
	return nil
}

// group10 sends batches of ten until the budget is used up.
func group10(r *round, q *queue, of func(number uint64) int) group {
	if of == nil {
		of = func(uint64) int { return 0 }
	}
	return group{workers: min(r.opt.Connections, 16), work: func(ctx context.Context, w *worker) bool {
		n := r.take(10)
		if n == 0 {
			return false
		}
		for {
			now := time.Now()
			w.body = appendSendBatch(w.body[:0], q.text, n, r.opt.Size, now, q.fifo, func() (uint64, int) {
				w.seq++
				number := uint64(w.index)<<32 | w.seq
				return number % 1_000_000_000_000, of(number)
			})
			if answer, ok := w.call(ctx, "SendMessageBatch", now, 0); ok {
				w.carried(n - w.rejected(answer))
				return true
			}
			if ctx.Err() != nil || w.failing >= maxFailing {
				return false
			}
		}
	}}
}

// rejected counts the failed entries of a batch answer.
func (w *worker) rejected(answer []byte) int {
	n, code, err := scanFailed(answer)
	if err != nil {
		n, code = 1, errJSON.Error()
	}
	if n > 0 {
		w.errors[code] += int64(n)
	}
	return n
}
