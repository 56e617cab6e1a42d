package partition

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/queue"
	"github.com/waystation/waystation/internal/registry"
)

const (
	keptTasks = 10  // ended move tasks remembered for each queue
	moveChunk = 100 // messages moved in one record
)

// moveTask is a MoveTask with its place in the log: every change of it is a
// fact of the source queue, together with the messages it moved.
type moveTask struct {
	MoveTask
}

var moveStatuses = []string{MoveRunning, MoveCompleted, MoveCancelling, MoveCancelled, MoveFailed}

func (t *moveTask) encode(b []byte) []byte {
	b = putString(b, t.ID)
	b = putString(b, t.Source)
	b = putString(b, t.Destination)
	b = binary.AppendUvarint(b, uint64(t.Rate))
	var status byte
	for i, s := range moveStatuses {
		if s == t.Status {
			status = byte(i)
		}
	}
	b = append(b, status)
	b = binary.AppendVarint(b, t.Moved)
	b = binary.AppendVarint(b, t.ToMove)
	b = binary.AppendVarint(b, t.Started)
	return putString(b, t.FailureReason)
}

func (t *moveTask) decode(r *reader) {
	t.ID, t.Source, t.Destination = r.string(), r.string(), r.string()
	t.Rate = int(r.uvarint())
	if i := int(r.byte()); i < len(moveStatuses) {
		t.Status = moveStatuses[i]
	} else {
		r.fail()
	}
	t.Moved, t.ToMove, t.Started = r.varint(), r.varint(), r.varint()
	t.FailureReason = r.string()
}

func (t *moveTask) active() bool { return t.Status == MoveRunning || t.Status == MoveCancelling }

func (qs *queueState) runningTask() *moveTask {
	for _, t := range qs.tasks {
		if t.active() {
			return t
		}
	}
	return nil
}

// putTask replaces the task of the same id or adds it, the newest last.
func (qs *queueState) putTask(t *moveTask) {
	for i := range qs.tasks {
		if qs.tasks[i].ID == t.ID {
			qs.tasks[i] = t
			return
		}
	}
	qs.tasks = append(qs.tasks, t)
	if n := len(qs.tasks) - keptTasks; n > 0 {
		qs.tasks = append([]*moveTask(nil), qs.tasks[n:]...)
	}
}

func (o *owner) startMove(_ context.Context, id uint64, t MoveTask) (MoveTask, error) {
	err := o.change(id, func(qs *queueState, now queue.Time) error {
		if qs.runningTask() != nil {
			return ErrMoveActive
		}
		t.Status, t.Started = MoveRunning, int64(now)
		t.ToMove = int64(qs.m.Counts().Visible)
		task := &moveTask{t}
		o.facts.task(qs.ref, task)
		qs.putTask(task)
		wake(o.wakeMoves)
		return nil
	})
	return t, err
}

func (o *owner) cancelMove(_ context.Context, id uint64, task string) (out MoveTask, err error) {
	err = o.change(id, func(qs *queueState, _ queue.Time) error {
		for _, t := range qs.tasks {
			if t.ID != task {
				continue
			}
			if t.Status != MoveRunning {
				return ErrMoveNotRunning
			}
			t.Status = MoveCancelling
			o.facts.task(qs.ref, t)
			out = t.MoveTask
			wake(o.wakeMoves)
			return nil
		}
		return ErrMoveNotFound
	})
	return out, err
}

// listMoves gives the newest first.
func (o *owner) listMoves(_ context.Context, id uint64, limit int) (out []MoveTask, err error) {
	err = o.change(id, func(qs *queueState, _ queue.Time) error {
		for i := len(qs.tasks) - 1; i >= 0 && len(out) < limit; i-- {
			out = append(out, qs.tasks[i].MoveTask)
		}
		return nil
	})
	return out, err
}

// moves runs the move tasks of all queues, one goroutine for each that is
// active. Tasks are bounded by the number of dead-letter queues.
func (o *owner) moves(ctx context.Context) error {
	var running sync.Map // queue ref -> struct{}
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.wakeMoves:
		}
		o.mu.Lock()
		var active []*queueState
		for _, qs := range o.queues {
			if qs.runningTask() != nil {
				active = append(active, qs)
			}
		}
		o.mu.Unlock()
		for _, qs := range active {
			if _, on := running.LoadOrStore(qs.ref, struct{}{}); on {
				continue
			}
			wg.Go(func() {
				o.runMove(ctx, qs.ref)
				running.Delete(qs.ref)
				wake(o.wakeMoves) // one may have been started while this one ended
			})
		}
	}
}

// runMove moves messages until none is left, the task is cancelled or fails.
func (o *owner) runMove(ctx context.Context, source ref) {
	for {
		start := o.svc.elapsed()
		n, rate, more := o.moveStep(ctx, source)
		if !more {
			return
		}
		var pause time.Duration
		if rate > 0 {
			pause = time.Duration(n)*time.Second/time.Duration(rate) - time.Duration(o.svc.elapsed()-start)
		} else if n == 0 {
			pause = 50 * time.Millisecond // could not be done just now
		}
		if pause <= 0 {
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// moveStep moves up to a tenth of a second's worth of messages.
func (o *owner) moveStep(ctx context.Context, source ref) (moved, rate int, more bool) {
	o.mu.Lock()
	qs, t := o.task(source)
	if t == nil {
		o.mu.Unlock()
		return 0, 0, false
	}
	if t.Status == MoveCancelling {
		o.endTask(qs, t, MoveCancelled, "")
		o.mu.Unlock()
		return 0, 0, false
	}
	limit := moveChunk
	if t.Rate > 0 {
		limit = min(limit, max(1, t.Rate/10))
	}
	rate = t.Rate
	id := t.ID
	now := o.tick()
	o.advance(qs, now)
	var msgs []queue.Message
	size := 0
	qs.m.Peek(limit, func(m queue.Message) bool {
		if len(msgs) > 0 && size+int(m.Len) > rewriteChunk {
			return false
		}
		size += int(m.Len)
		msgs = append(msgs, m)
		return true
	})
	if len(msgs) == 0 {
		o.endTask(qs, t, MoveCompleted, "")
		o.mu.Unlock()
		return 0, 0, false
	}
	o.mu.Unlock()

	payloads := make([][]byte, len(msgs))
	for i := range msgs {
		b, err := o.payload(ctx, source, &msgs[i])
		if err != nil {
			// Rewritten meanwhile, or the log can't be reached just now.
			return 0, rate, ctx.Err() == nil
		}
		payloads[i] = reidentified(b, o.svc.cfg.NewID())
	}
	if o.svc.full.Load() {
		return 0, 0, true
	}

	o.mu.Lock()
	moved, commit, more := o.moveLocked(source, id, msgs, payloads)
	o.mu.Unlock()
	if commit != nil {
		if o.durable(commit) != nil {
			return 0, 0, false
		}
	}
	return moved, rate, more
}

// task finds the active task of a queue; nil when there is none any more.
func (o *owner) task(source ref) (*queueState, *moveTask) {
	qs := o.queues[source]
	if qs == nil || o.closed {
		return nil, nil
	}
	return qs, qs.runningTask()
}

func (o *owner) endTask(qs *queueState, t *moveTask, status, reason string) {
	t.Status, t.FailureReason = status, reason
	o.facts.reset()
	o.facts.task(qs.ref, t)
	_, _, _ = o.write()
}

var errNoSource = errors.New("CouldNotDetermineMessageSource")

// destination is where the task wants m to go.
func (o *owner) destination(t *moveTask, m queue.Message) (*registry.Queue, error) {
	arn := t.Destination
	if arn == "" {
		arn = o.origins.of(m.Source).arn
	}
	if arn == "" {
		return nil, errNoSource
	}
	q, ok := o.svc.cfg.Registry.QueueByARN(arn)
	if !ok {
		return nil, errors.New("AWS.SimpleQueueService.NonExistentQueue")
	}
	return q, nil
}

// moveLocked moves those of msgs that are still as they were.
func (o *owner) moveLocked(source ref, task string, msgs []queue.Message, payloads [][]byte) (int, *journal.Commit, bool) {
	qs, t := o.task(source)
	if t == nil || t.ID != task || t.Status != MoveRunning {
		return 0, nil, t != nil
	}
	now := o.tick()
	type step struct {
		from queue.Message
		to   *queueState
		new  queue.Message
		pay  []byte
	}
	steps := make([]step, 0, len(msgs))
	next := make(map[*queueState]uint64)
	var fail error
	for i, m := range msgs {
		at, ok := qs.m.Get(m.Key)
		if !ok || at.InFlight || at.Receives != m.Receives || at.Append != m.Append || at.Offset != m.Offset {
			continue
		}
		target, err := o.destination(t, m)
		if err != nil {
			fail = err
			break
		}
		to, err := o.receiver(target, now)
		if err != nil {
			return 0, nil, false
		}
		key, ok := next[to]
		if !ok {
			key = to.m.NextKey()
		}
		next[to] = key + 1
		steps = append(steps, step{from: at, to: to, pay: payloads[i],
			new: queue.Message{Key: key, Sent: now, Group: m.Group, Len: uint32(len(payloads[i]))}})
	}
	f := &o.facts
	f.reset()
	for i := range steps {
		s := &steps[i]
		group, err := payloadGroup(s.pay)
		if err != nil {
			group = s.new.Group
		}
		s.new.Group = group
		f.removed(qs.ref, []queue.Message{s.from})
		s.new.Offset = uint32(f.message([]place{{
			ref: s.to.ref, fifo: s.to.def != nil && s.to.def.FIFO, key: s.new.Key, sent: now,
		}}, s.pay))
	}
	t.Moved += int64(len(steps))
	if fail != nil {
		t.Status, t.FailureReason = MoveFailed, fail.Error()
	}
	f.task(qs.ref, t)
	pos, commit, err := o.write()
	if err != nil {
		return 0, nil, false
	}
	for i := range steps {
		s := &steps[i]
		if m, ok := qs.m.Remove(s.from.Key); ok {
			o.gone(qs, m)
		}
		s.new.Append, s.new.Offset = pos.Append, pos.Offset+s.new.Offset
		if s.to.ref.outbox {
			s.new.Group = ""
			wake(o.wakeOutbox)
		}
		o.insert(s.to, now, s.new)
	}
	for to := range next {
		o.settle(to, now)
	}
	o.settle(qs, now)
	return len(steps), commit, fail == nil
}
