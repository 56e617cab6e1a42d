package partition

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/fields"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/queue"
	"github.com/waystation/waystation/internal/registry"
)

// maxBatch is the most messages of one request.
const maxBatch = queue.MaxBatch

// refOf names a queue of the registry within its partition.
func refOf(q *registry.Queue) state.Ref { return state.Ref{Kind: state.KindQueue, ID: q.ID} }

// Send puts messages into a queue, all or none of them; at most ten. Results
// stand in the order of msgs.
// Errors: ErrUnavailable, ErrBusy, ErrFull, ErrQueueGone.
func (s *Service) Send(ctx context.Context, q *registry.Queue, msgs []Message) ([]SendResult, error) {
	if len(msgs) == 0 || len(msgs) > maxBatch {
		return nil, fmt.Errorf("partition: %d messages in one send, 1 to %d are possible", len(msgs), maxBatch)
	}
	size := 0
	for i := range msgs {
		size += len(msgs[i].Body) + 160
	}
	buf := make([]byte, 0, size)
	items := make([]owner.PostItem, len(msgs))
	targets := make([]owner.PostTarget, len(msgs))
	for i := range msgs {
		m := &msgs[i]
		start := len(buf)
		buf = encodePayload(buf, m)
		targets[i] = QueueTarget(q, m.GroupID, m.DedupID, m.ID)
		if !q.FIFO {
			targets[i].Delay = m.Delay
		}
		items[i] = owner.PostItem{Payload: buf[start:len(buf):len(buf)], Targets: targets[i : i+1]}
	}
	out, err := call(ctx, s, q.Partition, opPost, owner.PostIn{Items: items})
	if err != nil {
		return nil, err
	}
	if len(out.Posted) != len(msgs) {
		return nil, ErrUnavailable
	}
	results := make([]SendResult, len(msgs))
	for i, p := range out.Posted {
		if p.Gone {
			return nil, ErrQueueGone
		}
		results[i].ID = p.Answer
		if q.FIFO {
			results[i].Sequence = p.Key
		}
	}
	return results, nil
}

// QueueTarget is a queue of the registry as the target of a post, with the queue's
// own delay. group and dedup are the message's; FIFO queues alone deduplicate, by
// dedup unless it is empty. id is the message's, which duplicates are answered with.
func QueueTarget(q *registry.Queue, group, dedup string, id MessageID) PostTarget {
	t := PostTarget{
		Target: Target{Partition: q.Partition, Queue: refOf(q)}, FIFO: q.FIFO, Revision: q.Revision,
		Group: group, Answer: id, Delay: -1,
	}
	if q.FIFO && dedup != "" {
		scope := ""
		if q.DedupScope == "messageGroup" {
			scope = group // ids count within their message group only
		}
		key := hashed(scope, dedup)
		t.Dedup = &key
	}
	return t
}

func hashed(a, b string) (id [16]byte) {
	buf := make([]byte, 0, 300)
	buf = fields.AppendText(buf, a)
	buf = append(buf, b...)
	sum := sha256.Sum256(buf)
	copy(id[:], sum[:])
	return id
}

// Receive takes up to opts.Max messages of a queue, fewer if they are so large
// that the answer would not fit a message between nodes. When there is none it
// waits for opts.Wait; an empty answer is no error. If ctx ends, what was taken
// becomes visible again.
// Errors: ErrUnavailable, ErrBusy, ErrFull, ErrOverLimit, ErrQueueGone.
func (s *Service) Receive(ctx context.Context, q *registry.Queue, opts ReceiveOptions) ([]Received, error) {
	if opts.Max < 1 || opts.Max > maxBatch {
		return nil, fmt.Errorf("partition: receive of %d messages, 1 to %d are possible", opts.Max, maxBatch)
	}
	in := owner.ReceiveIn{
		Queue: refOf(q), Max: opts.Max, MaxBytes: s.answerBytes(), Visibility: opts.Visibility, Wait: opts.Wait,
	}
	if opts.Attempt != "" {
		id := queue.DedupID(hashed("", opts.Attempt))
		in.Attempt = &id
	}
	out, err := callWaiting(ctx, s, q.Partition, opReceive, in, opts.Wait, func(in *owner.ReceiveIn, left time.Duration) { in.Wait = left })
	if err != nil {
		return nil, err
	}
	got := make([]Received, len(out.Messages))
	for i := range out.Messages {
		if err := s.received(q, &out.Messages[i], opts.Origin, &got[i]); err != nil {
			s.log.Error("a payload can't be decoded", "queue", q.ARN(), "key", out.Messages[i].Receipt.Key, "error", err)
			return nil, ErrUnavailable
		}
	}
	return got, nil
}

func (s *Service) received(q *registry.Queue, d *owner.Delivered, origin string, r *Received) (err error) {
	if r.Message, err = s.decode(d.Payload, d.Note.Reference, origin); err != nil {
		return err
	}
	r.GroupID, r.Sent = d.Group, int64(d.Sent)
	r.Receives, r.FirstReceived = d.Receipt.Receive+d.Note.Receives, int64(d.FirstReceived)
	r.DeadLetterSource = d.Note.Source
	if q.FIFO {
		r.Sequence = d.Receipt.Key
		if r.DeadLetterSource != "" {
			// So that two messages that happen to share an id are two dead letters:
			// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
			r.DedupID = r.ID.String()
		}
	}
	r.Receipt = s.receipts.sign(q.ID, d.Receipt.Key, d.Receipt.Receive)
	return nil
}

// decode makes the message of a payload: one that was sent, or one of a service's.
func (s *Service) decode(payload []byte, reference, origin string) (Message, error) {
	if len(payload) > 0 && payload[0] >= FirstForm {
		render := s.cfg.Renderers[payload[0]]
		if render == nil {
			return Message{}, fmt.Errorf("message payload of form %d, which no service here has", payload[0])
		}
		if len(payload) < PayloadRest {
			return Message{}, errPayload
		}
		return render(Rendering{Payload: payload, Reference: reference, Origin: origin})
	}
	return decodePayload(payload)
}

// Delete removes messages by the receipts of their receives; one outcome each:
// nil, ErrReceiptInvalid or ErrReceiptExpired. A message that is gone already
// is no error, nor is an old receipt on a standard queue.
func (s *Service) Delete(ctx context.Context, q *registry.Queue, receipts []string) ([]error, error) {
	in := owner.RemoveIn{Queue: refOf(q)}
	return s.entries(ctx, q, receipts, func(_ int, r state.Receipt) { in.Receipts = append(in.Receipts, r) },
		func() (owner.EntriesOut, error) { return call(ctx, s, q.Partition, opRemove, in) })
}

// ChangeVisibility hides messages for another time from now; one outcome each:
// nil, ErrReceiptInvalid, ErrReceiptExpired, ErrNotInFlight or ErrVisibilityTotal.
func (s *Service) ChangeVisibility(ctx context.Context, q *registry.Queue, changes []VisibilityChange) ([]error, error) {
	receipts := make([]string, len(changes))
	for i := range changes {
		receipts[i] = changes[i].Receipt
	}
	in := owner.HideIn{Queue: refOf(q)}
	return s.entries(ctx, q, receipts, func(i int, r state.Receipt) {
		in.Changes = append(in.Changes, owner.HideEntry{Receipt: r, Seconds: changes[i].Timeout})
	}, func() (owner.EntriesOut, error) { return call(ctx, s, q.Partition, opHide, in) })
}

// entries reads receipts, adds those that are genuine to a request, and puts the
// outcomes of all in order. A request without any is sent all the same: it tells
// whether the queue is there.
func (s *Service) entries(ctx context.Context, q *registry.Queue, receipts []string, add func(i int, r state.Receipt), send func() (owner.EntriesOut, error)) ([]error, error) {
	if err := s.wait(ctx, s.signing); err != nil {
		return nil, err
	}
	out := make([]error, len(receipts))
	n := 0
	for i, h := range receipts {
		key, receive, err := s.receipts.open(q.ID, h)
		if out[i] = err; err == nil {
			add(i, state.Receipt{Key: key, Receive: receive})
			n++
		}
	}
	answer, err := send()
	if err != nil {
		return nil, err
	}
	if len(answer.Outcomes) != n {
		return nil, ErrUnavailable
	}
	n = 0
	for i := range out {
		if out[i] == nil {
			out[i] = answer.Outcomes[n]
			n++
		}
	}
	return out, nil
}

// wait waits for what Run does first, for RouteTimeout at most: requests may come
// before it.
func (s *Service) wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	default:
	}
	limit := time.NewTimer(s.cfg.RouteTimeout)
	defer limit.Stop()
	select {
	case <-done:
		return nil
	case <-limit.C:
		return ErrUnavailable
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Purge removes all messages of a queue and forgets deduplication ids. ErrPurgeInProgress within 60 s of the last purge.
func (s *Service) Purge(ctx context.Context, q *registry.Queue) error {
	_, err := call(ctx, s, q.Partition, opPurge, owner.QueueIn{Queue: refOf(q)})
	return err
}

// Counts are exact as of some moment between the call and the answer.
func (s *Service) Counts(ctx context.Context, q *registry.Queue) (Counts, error) {
	return call(ctx, s, q.Partition, opCount, owner.QueueIn{Queue: refOf(q)})
}

// StartMove starts moving the messages of a dead-letter queue to the queue of
// that ARN, or each to the queue it came from when destination is empty; rate
// in messages a second, 0 for no limit. ErrMoveActive if one runs already.
func (s *Service) StartMove(ctx context.Context, source *registry.Queue, destination string, rate int) (MoveTask, error) {
	t := MoveTask{ID: s.cfg.NewID().String(), Source: source.ARN(), Destination: destination, Rate: rate}
	return call(ctx, s, source.Partition, opStartMove, owner.StartMoveIn{Queue: refOf(source), Task: t})
}

// CancelMove stops a move task; what was moved stays moved. ErrMoveNotFound,
// ErrMoveNotRunning.
func (s *Service) CancelMove(ctx context.Context, source *registry.Queue, id string) (MoveTask, error) {
	return call(ctx, s, source.Partition, opCancelMove, owner.CancelMoveIn{Queue: refOf(source), ID: id})
}

// ListMoves gives the newest move tasks of a queue, at most 10, newest first.
func (s *Service) ListMoves(ctx context.Context, source *registry.Queue, limit int) ([]MoveTask, error) {
	out, err := call(ctx, s, source.Partition, opListMoves, owner.ListMovesIn{Queue: refOf(source), Limit: limit})
	return out.Tasks, err
}
