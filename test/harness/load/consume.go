package load

import (
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waystation/waystation/test/harness/ledger"
)

// Codes that a slow consumer may get: its handle is no longer current.
var tooLate = []string{"InvalidParameterValue", "AWS.SimpleQueueService.MessageNotInflight"}

// held is a message that a consumer has received.
type held struct {
	id, group, handle string
	poison            bool
	count             int
}

// consume receives and handles until the worker's end. Draining, it deletes
// whatever it may; otherwise it also releases some and forgets some.
func (w *worker) consume(queue string, draining bool) {
	url := w.urls[queue]
	for w.ctx.Err() == nil {
		in := &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: int32(1 + w.rand.IntN(10)), WaitTimeSeconds: 1,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount", "MessageGroupId"},
		}
		ctx, cancel := w.request(time.Second)
		start := time.Now()
		out, err := w.client().ReceiveMessage(ctx, in)
		cancel()
		if err != nil {
			if !w.failed("ReceiveMessage", err) {
				return
			}
			continue
		}
		if !w.handle(queue, start, out.Messages, draining) {
			return
		}
	}
}

func (w *worker) handle(queue string, start time.Time, got []types.Message, draining bool) bool {
	batch := make([]held, 0, len(got))
	noted := make([]ledger.Delivery, 0, len(got))
	for _, m := range got {
		id, rest, _ := strings.Cut(*m.Body, "|")
		count, _ := strconv.Atoi(m.Attributes["ApproximateReceiveCount"]) // 0 is a fault of its own
		noted = append(noted, ledger.Delivery{ID: id, Body: *m.Body, ServerID: *m.MessageId, Count: count})
		batch = append(batch, held{
			id: id, group: m.Attributes["MessageGroupId"], handle: *m.ReceiptHandle, count: count,
			poison: strings.HasPrefix(rest, "poison|") && (queue == Standard || queue == FIFORetry),
		})
	}
	w.cfg.Ledger.Received(queue, start, noted)

	fifo := strings.HasSuffix(queue, ".fifo")
	var remove, release []held
	left := map[string]bool{} // groups of which something goes back: what follows has to wait
	for _, m := range batch {
		dice := w.rand.IntN(100)
		switch {
		case fifo && left[m.group]:
			release = append(release, m)
		case m.poison, !draining && dice < 8:
			left[m.group] = true
			release = append(release, m)
		case !draining && dice < 11: // forgotten: comes back by itself
			left[m.group] = true
		default:
			remove = append(remove, m)
		}
	}
	if !fifo && len(remove) > 1 && w.rand.IntN(2) == 0 {
		if !w.removeBatch(queue, remove) {
			return false
		}
		remove = nil
	}
	for _, m := range remove {
		w.cfg.Ledger.Deleting(m.id)
		ctx, cancel := w.request(0)
		_, err := w.client().DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: aws.String(w.urls[queue]), ReceiptHandle: &m.handle})
		cancel()
		if err != nil {
			if !w.failed("DeleteMessage", err, tooLate...) {
				return false
			}
			if fifo {
				// Whether it is gone is not known: do not go past it.
				break
			}
			continue
		}
		w.cfg.Ledger.Deleted(queue, m.id, m.count)
	}
	for _, m := range release {
		ctx, cancel := w.request(0)
		_, err := w.client().ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: aws.String(w.urls[queue]), ReceiptHandle: &m.handle, VisibilityTimeout: 0})
		cancel()
		if err != nil && !w.failed("ChangeMessageVisibility", err, tooLate...) {
			return false
		}
	}
	return true
}

func (w *worker) removeBatch(queue string, batch []held) bool {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(w.urls[queue])}
	for i, m := range batch {
		w.cfg.Ledger.Deleting(m.id)
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &m.handle})
	}
	ctx, cancel := w.request(0)
	out, err := w.client().DeleteMessageBatch(ctx, in)
	cancel()
	if err != nil {
		return w.failed("DeleteMessageBatch", err)
	}
	for _, r := range out.Successful {
		i, err := strconv.Atoi(*r.Id)
		if err != nil || i < 0 || i >= len(batch) {
			w.cfg.Ledger.Complain("DeleteMessageBatch answered for an entry %q that nobody sent", *r.Id)
			continue
		}
		w.cfg.Ledger.Deleted(queue, batch[i].id, batch[i].count)
	}
	for _, f := range out.Failed {
		if f.SenderFault {
			w.cfg.Ledger.Complain("DeleteMessageBatch refused an entry: %s %s", *f.Code, aws.ToString(f.Message))
		}
	}
	return true
}
