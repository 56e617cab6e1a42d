package owner

import (
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/queue"
)

const (
	moveChunk = 100     // messages moved in one record
	moveBytes = 1 << 20 // of payloads, or half of what the log takes at once, unless the first alone is larger
)

// StartMoveIn asks for a move task; Task names source, destination and rate.
type StartMoveIn struct {
	Queue state.Ref  `cbor:"1,keyasint"`
	Task  state.Task `cbor:"2,keyasint"`
}

// StartMove starts a move task. ErrMoveActive if one runs already.
func (o *Owner) StartMove(_ context.Context, in StartMoveIn) (state.Task, error) {
	t := in.Task
	err := o.change(0, in.Queue, func(q *state.Queue, _ *definition) error {
		if o.st.ActiveTask(q) != nil {
			return ErrMoveActive
		}
		t.Status, t.Started, t.ToMove = state.MoveRunning, int64(o.st.Now()), int64(q.Counts().Visible)
		task := t
		o.st.SetTask(q, &task)
		wake(o.wakeMove)
		return nil
	})
	return t, err
}

// CancelMoveIn names a move task.
type CancelMoveIn struct {
	Queue state.Ref `cbor:"1,keyasint"`
	ID    string    `cbor:"2,keyasint"`
}

// CancelMove stops a move task; what was moved stays moved. ErrMoveNotFound,
// ErrMoveNotRunning.
func (o *Owner) CancelMove(_ context.Context, in CancelMoveIn) (out state.Task, err error) {
	err = o.change(0, in.Queue, func(q *state.Queue, _ *definition) error {
		for _, t := range o.st.Tasks(q) {
			if t.ID != in.ID {
				continue
			}
			if t.Status != state.MoveRunning {
				return ErrMoveNotRunning
			}
			out = *t
			out.Status = state.MoveCancelling
			changed := out
			o.st.SetTask(q, &changed)
			wake(o.wakeMove)
			return nil
		}
		return ErrMoveNotFound
	})
	return out, err
}

// ListMovesIn asks for the newest move tasks of a queue.
type ListMovesIn struct {
	Queue state.Ref `cbor:"1,keyasint"`
	Limit int       `cbor:"2,keyasint"`
}

// ListMovesOut has the newest first.
type ListMovesOut struct {
	Tasks []state.Task `cbor:"1,keyasint,omitempty"`
}

// ListMoves lists move tasks, ended ones too, up to ten.
func (o *Owner) ListMoves(_ context.Context, in ListMovesIn) (out ListMovesOut, err error) {
	err = o.change(0, in.Queue, func(q *state.Queue, _ *definition) error {
		tasks := o.st.Tasks(q)
		for i := len(tasks) - 1; i >= 0 && len(out.Tasks) < in.Limit; i-- {
			out.Tasks = append(out.Tasks, *tasks[i])
		}
		return nil
	})
	return out, err
}

// move runs the move tasks of all queues, one goroutine for each that is active.
// Tasks are bounded by the number of dead-letter queues.
func (o *Owner) move(ctx context.Context) error {
	sideBySide(ctx, o.wakeMove, func() []*state.Queue {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.st.Active()
	}, o.runMove)
	return nil
}

// runMove moves messages until none is left, the task is cancelled or fails.
func (o *Owner) runMove(ctx context.Context, q *state.Queue) {
	for {
		start := o.cfg.Elapsed()
		n, rate, more := o.moveStep(ctx, q)
		if !more {
			return
		}
		var pause time.Duration
		if rate > 0 && n > 0 {
			pause = time.Duration(n)*time.Second/time.Duration(rate) - (o.cfg.Elapsed() - start)
		} else if n == 0 {
			pause = 50 * time.Millisecond // could not be done just now
		}
		if pause > 0 && !rest(ctx, pause) {
			return
		}
	}
}

// moveStep moves up to a tenth of a second's worth of messages.
func (o *Owner) moveStep(ctx context.Context, q *state.Queue) (moved, rate int, more bool) {
	o.mu.Lock()
	t := o.task(q)
	for t != nil && o.passes(q) {
		o.letIn()
		t = o.task(q)
	}
	var msgs []queue.Message
	if t != nil && !o.closed {
		rate = t.Rate
		msgs = o.nextToMove(q, t)
	}
	o.mu.Unlock()
	if len(msgs) == 0 {
		return 0, 0, false
	}
	if o.cfg.Space.forPosts() != nil {
		return 0, 0, true
	}
	payloads := make([][]byte, len(msgs))
	for i := range msgs {
		b, err := o.payload(ctx, q, &msgs[i])
		if err != nil {
			// Gone meanwhile, or the log can't be reached just now.
			return 0, rate, ctx.Err() == nil
		}
		payloads[i] = reidentified(b, o.cfg.NewID())
	}
	o.mu.Lock()
	moved, commit, more := o.moveLocked(q, t.ID, msgs, payloads)
	o.mu.Unlock()
	if commit != nil && durable(commit) != nil {
		return 0, 0, false
	}
	return moved, rate, more
}

// passes lets time pass for a queue, one step, and reports whether there is more to
// do at this very time. Call with mu held.
func (o *Owner) passes(q *state.Queue) (more bool) {
	o.tick()
	more = o.st.Advance(q)
	_, err := o.write()
	return more && err == nil
}

// nextToMove are the next messages for a task, none if it has ended. Call with mu held.
func (o *Owner) nextToMove(q *state.Queue, t *state.Task) (msgs []queue.Message) {
	if t.Status == state.MoveCancelling {
		o.endTask(q, t, state.MoveCancelled)
		return nil
	}
	limit := moveChunk
	if t.Rate > 0 {
		limit = min(limit, max(1, t.Rate/10))
	}
	size := 0
	q.Peek(limit, func(m queue.Message) bool {
		if size += int(m.Len); len(msgs) > 0 && size > min(moveBytes, o.maxAtOnce()/2) {
			return false
		}
		msgs = append(msgs, m)
		return true
	})
	if len(msgs) == 0 {
		o.endTask(q, t, state.MoveCompleted)
		return nil
	}
	_, _ = o.concludeQuietly()
	return msgs
}

// task is the active task of a queue; nil when there is none any more.
func (o *Owner) task(q *state.Queue) *state.Task {
	if o.closed || q.Gone() {
		return nil
	}
	return o.st.ActiveTask(q)
}

func (o *Owner) endTask(q *state.Queue, t *state.Task, status string) {
	ended := *t
	ended.Status = status
	o.st.SetTask(q, &ended)
	_, _ = o.concludeQuietly()
}

var errNoSource = errors.New("CouldNotDetermineMessageSource")

// destination is where the task wants m to go.
func (o *Owner) destination(t *state.Task, m *queue.Message) (*definition, error) {
	arn := t.Destination
	if arn == "" {
		arn = o.st.Note(m).Source
	}
	if arn == "" {
		return nil, errNoSource
	}
	q, ok := o.cfg.Registry.QueueByARN(arn)
	if !ok {
		return nil, errors.New("AWS.SimpleQueueService.NonExistentQueue")
	}
	return q, nil
}

// moveLocked moves those of msgs that are still as they were. Call with mu held.
func (o *Owner) moveLocked(q *state.Queue, id string, msgs []queue.Message, payloads [][]byte) (int, *journal.Commit, bool) {
	t := o.task(q)
	if t == nil || t.ID != id || t.Status != state.MoveRunning {
		return 0, nil, t != nil
	}
	now := o.tick()
	changed := *t
	var keys []uint64
	var items []state.Item
	for i := range msgs {
		m := &msgs[i]
		at, ok := q.Get(m.Key)
		if !ok || at.InFlight || at.Receives != m.Receives {
			continue
		}
		to, err := o.destination(t, &at)
		if err != nil {
			changed.Status, changed.FailureReason = state.MoveFailed, err.Error()
			break
		}
		// Definitions may be long: each is a record of its own.
		if to.Partition == o.cfg.Partition {
			if err := o.define(state.Ref{ID: to.ID}); err != nil {
				return 0, nil, false
			}
		}
		keys = append(keys, m.Key)
		items = append(items, state.Item{Payload: payloads[i], Targets: []state.Placing{{
			Partition: to.Partition,
			Place: state.Place{
				Queue: state.Ref{ID: to.ID}, FIFO: to.FIFO, Sent: now, Group: m.Group, Revision: to.Revision,
				Note: state.Note{Reference: o.st.Note(&at).Reference},
			},
		}}})
	}
	o.st.Transfer(q, keys, items)
	changed.Moved += int64(len(keys))
	o.st.SetTask(q, &changed)
	commit, err := o.conclude()
	if err != nil {
		return 0, nil, false
	}
	return len(keys), commit, changed.Status == state.MoveRunning
}

// reidentified is payload b under another message id, as a redrive gives it. One that
// is too short to have an id has none.
func reidentified(b []byte, id [16]byte) []byte {
	c := append([]byte(nil), b...)
	if len(c) >= PayloadID+len(id) {
		copy(c[PayloadID:], id[:])
	}
	return c
}

// PayloadID is where the payloads of queues with a definition carry their
// message's id, 16 bytes: all that an owner knows of them.
const PayloadID = 1

// PayloadSequence is where a payload of PostItem.Once gets its key in the first
// target's queue, big-endian.
const (
	PayloadSequence = PayloadID + 16
	sequenceBytes   = 8
)
