package partition

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/queue"
	"github.com/waystation/waystation/internal/registry"
)

// errNotOwner: this node does not own the partition (any more); the request
// had no effect and may be sent to the owner.
var errNotOwner = errors.New("not the owner of the partition")

// owner runs one partition on the node that owns it: the state machines of its
// queues over its journal.
//
// Every change is made in memory and handed to the journal under mu, so the
// log has the order in which the changes were made. Answers are given once the
// commit they came with is durable; answers that change nothing wait for a
// commit too (a barrier), which proves that no other owner wrote meanwhile. If
// an append fails, the owner is done for: it answers nothing more, and a new
// one is made from the log.
type owner struct {
	id  uint32
	svc *Service
	j   *journal.Journal
	log *slog.Logger

	// admitted counts requests that wait for the log; bounded by maxAdmitted.
	admitted atomic.Int64
	bytes    atomic.Int64

	// provenAt is the start (monotonic nanoseconds since base) of the newest
	// barrier that succeeded: at that moment this node was the owner.
	provenAt atomic.Int64
	waiting  atomic.Int64 // long polls registered

	mu sync.Mutex
	// All below is guarded by mu.
	queues  map[ref]*queueState
	now     queue.Time // never goes back
	facts   factBuffer
	due     dueHeap
	clockAt queue.Time      // what the clock sleeps until
	leaving []queue.Message // removed by the change under way, released once it is written
	parted  []parted        // removed all at once, released bit by bit
	closed  bool
	origins originTable
	// elsewhere finds the places of payloads that were moved from the queue
	// that their record names. Without entries it costs nothing.
	elsewhere map[payloadAt][]placed

	down       chan struct{} // closed with the owner
	wakeClock  chan struct{} // the earliest due time changed
	wakeOutbox chan struct{} // an outbox has something to send
	wakeMoves  chan struct{} // a move task was started
	wakeParted chan struct{} // there is something in parted
}

type payloadAt struct {
	append uint64
	offset uint32
}

type placed struct {
	q   ref
	key uint64
}

// queueState is one queue of the partition.
type queueState struct {
	ref       ref
	def       *registry.Queue // nil for an outbox, and during replay
	m         *queue.Machine
	home      uint64 // append that holds the newest queueFact; 0: none yet
	waiters   waiterList
	due       int // index in the heap, -1: not in it
	dueAt     queue.Time
	purged    queue.Time
	highWater map[uint32]uint64
	tasks     []*moveTask
	strays    int // messages here that elsewhere knows
	// Counted since the partition was loaded.
	sent, received, deleted, deadLettered uint64
}

const (
	homeBytes  = 64 // what a queueFact counts for in the journal's live bytes
	dedupBytes = 64
)

func newOwner(s *Service, id uint32, j *journal.Journal) *owner {
	return &owner{
		id: id, svc: s, j: j,
		log:        s.log.With("partition", id),
		queues:     make(map[ref]*queueState),
		elsewhere:  make(map[payloadAt][]placed),
		down:       make(chan struct{}),
		wakeClock:  make(chan struct{}, 1),
		wakeOutbox: make(chan struct{}, 1),
		wakeMoves:  make(chan struct{}, 1),
		wakeParted: make(chan struct{}, 1),
	}
}

// admit takes a place among the requests that wait for the log. The journal
// itself bounds its pending bytes far above, so that a change which was let in
// can always be written.
func (o *owner) admit(bytes int) error {
	if o.admitted.Add(1) > o.svc.cfg.MaxRequests || o.bytes.Add(int64(bytes)) > o.svc.cfg.MaxRequestBytes {
		o.leave(bytes)
		return ErrBusy
	}
	return nil
}

func (o *owner) leave(bytes int) {
	o.admitted.Add(-1)
	o.bytes.Add(-int64(bytes))
}

// tick reads the clock; time never goes back. Call with mu held.
func (o *owner) tick() queue.Time {
	if t := queue.Time(o.svc.cfg.Now().UnixMilli()); t > o.now {
		o.now = t
	}
	return o.now
}

// open finds the state of a live queue and brings it up to now. Call with mu held.
func (o *owner) open(id uint64) (*queueState, queue.Time, error) {
	if o.closed {
		return nil, 0, errNotOwner
	}
	def, ok := o.svc.cfg.Registry.QueueByID(id)
	if !ok || def.Partition != o.id {
		return nil, 0, ErrQueueGone
	}
	now := o.tick()
	qs, err := o.state(def, now)
	if err != nil {
		return nil, 0, err
	}
	o.advance(qs, now)
	return qs, now, o.dead()
}

// dead tells whether the owner failed in the middle of a change.
func (o *owner) dead() error {
	if o.closed {
		return errNotOwner
	}
	return nil
}

// state finds or makes the state of a queue and applies its newest definition.
func (o *owner) state(def *registry.Queue, now queue.Time) (*queueState, error) {
	r := ref{id: def.ID}
	qs := o.queues[r]
	if qs == nil {
		qs = o.newState(r, o.machineConfig(def))
		qs.def = def
	}
	if qs.def == nil || qs.def.Revision < def.Revision {
		qs.def = def
		qs.m.Configure(now, o.machineConfig(def))
	}
	if qs.home == 0 {
		if err := o.writeHome(qs); err != nil {
			return nil, err
		}
	}
	return qs, nil
}

// outbox finds or makes the outbox to the queue of that id.
func (o *owner) outbox(id uint64) *queueState {
	r := ref{id: id, outbox: true}
	qs := o.queues[r]
	if qs == nil {
		qs = o.newState(r, outboxConfig)
	}
	if qs.home == 0 {
		_ = o.writeHome(qs)
	}
	return qs
}

var outboxConfig = queue.Config{MaxInFlight: 1}

func (o *owner) newState(r ref, cfg queue.Config) *queueState {
	qs := &queueState{ref: r, m: queue.New(cfg), due: -1}
	o.queues[r] = qs
	return qs
}

func (o *owner) machineConfig(def *registry.Queue) queue.Config {
	cfg := queue.Config{
		FIFO:        def.FIFO,
		Retention:   int64(def.RetentionSeconds) * 1000,
		MaxInFlight: o.svc.cfg.MaxInFlight,
	}
	if def.Redrive != nil {
		if _, ok := o.svc.cfg.Registry.QueueByARN(def.Redrive.TargetARN); ok {
			cfg.MaxReceives = def.Redrive.MaxReceives
		}
	}
	return cfg
}

// writeHome writes all that is known of the queue beside its messages; the
// place it had before no longer counts.
func (o *owner) writeHome(qs *queueState) error {
	f := &o.facts
	f.reset()
	f.queue(&queueFact{
		q: qs.ref, fifo: qs.def != nil && qs.def.FIFO, nextKey: qs.m.NextKey(),
		purged: qs.purged, highWater: qs.highWater, tasks: qs.tasks,
	})
	pos, _, err := o.write()
	if err != nil {
		return err
	}
	if qs.home != 0 {
		o.j.Release(qs.home, homeBytes)
	}
	qs.home = pos.Append
	o.j.Retain(pos.Append, homeBytes)
	return nil
}

// write hands the facts gathered to the journal as one record. If it can't,
// memory and log differ, and the owner is closed.
func (o *owner) write() (journal.Pos, *journal.Commit, error) {
	pos, c, err := o.j.Append(o.facts.b)
	if err != nil {
		o.log.Warn("the journal takes no more records, the partition is loaded again", "error", err)
		o.close()
		return pos, nil, errNotOwner
	}
	return pos, c, nil
}

// close stops the owner from changing or answering anything. Call with mu held.
func (o *owner) close() {
	if o.closed {
		return
	}
	o.closed = true
	close(o.down)
	for _, qs := range o.queues {
		for w := qs.waiters.pop(); w != nil; w = qs.waiters.pop() {
			o.waiting.Add(-1)
			w.ch <- delivery{err: errNotOwner}
		}
	}
}

func (o *owner) stop() {
	o.mu.Lock()
	o.close()
	o.mu.Unlock()
}

// insert puts a new message into the queue and counts its payload as live.
func (o *owner) insert(qs *queueState, now queue.Time, m queue.Message) {
	qs.m.Insert(now, m)
	o.j.Retain(m.Append, int(m.Len))
}

// reinsert is insert for a message that may be there already: then only the
// place of its payload changes.
func (o *owner) reinsert(qs *queueState, now queue.Time, m queue.Message) {
	old, there := qs.m.Get(m.Key)
	o.insert(qs, now, m)
	if there {
		o.gone(qs, old)
	}
}

// gone is called for each message that left the queue for good.
func (o *owner) gone(qs *queueState, m queue.Message) {
	o.unplace(qs, m)
	o.j.Release(m.Append, int(m.Len))
}

// stray notes that the payload at m's position stands in qs, though its record
// says otherwise.
func (o *owner) stray(qs *queueState, m queue.Message) {
	at := payloadAt{m.Append, m.Offset}
	o.elsewhere[at] = append(o.elsewhere[at], placed{qs.ref, m.Key})
	qs.strays++
}

func (o *owner) unplace(qs *queueState, m queue.Message) {
	if qs.strays == 0 {
		return
	}
	at := payloadAt{m.Append, m.Offset}
	list := o.elsewhere[at]
	for i, p := range list {
		if p.q == qs.ref && p.key == m.Key {
			qs.strays--
			list[i] = list[len(list)-1]
			if list = list[:len(list)-1]; len(list) == 0 {
				delete(o.elsewhere, at)
			} else {
				o.elsewhere[at] = list
			}
			return
		}
	}
}

// advance lets time pass for a queue: what expired leaves, what was received
// too often goes to the dead-letter queue.
func (o *owner) advance(qs *queueState, now queue.Time) {
	for {
		ch := qs.m.Advance(now)
		if len(ch.Expired) > 0 {
			o.facts.reset()
			o.facts.removed(qs.ref, ch.Expired)
			if _, _, err := o.write(); err != nil {
				return
			}
			for i := range ch.Expired {
				o.gone(qs, ch.Expired[i])
			}
		}
		for i := range ch.Forgotten {
			o.j.Release(ch.Forgotten[i].Append, dedupBytes)
		}
		if len(ch.Dead) > 0 {
			o.deadLetter(qs, now, ch.Dead)
		}
		if !ch.More || o.closed {
			return
		}
	}
}

// deadLetter moves messages that the machine gave up to the queue's
// dead-letter queue, or to the outbox of the partition that holds it.
func (o *owner) deadLetter(qs *queueState, now queue.Time, dead []queue.Message) {
	var target *registry.Queue
	if qs.def != nil && qs.def.Redrive != nil {
		target, _ = o.svc.cfg.Registry.QueueByARN(qs.def.Redrive.TargetARN)
	}
	if target == nil {
		// The dead-letter queue was deleted a moment ago: the messages stay.
		cfg := o.machineConfig(qs.def)
		cfg.MaxReceives = 0
		qs.m.Configure(now, cfg)
		for _, m := range dead {
			m.InFlight, m.VisibleAt = false, 0
			qs.m.Insert(now, m)
		}
		return
	}
	to, err := o.receiver(target, now)
	if err != nil {
		return
	}
	o.move(qs, to, now, dead, qs.def.ARN())
	qs.deadLettered += uint64(len(dead))
	o.settle(to, now)
}

// receiver is the queue of this partition in which messages for q are put: q
// itself or the outbox to it.
func (o *owner) receiver(q *registry.Queue, now queue.Time) (*queueState, error) {
	if q.Partition == o.id {
		return o.state(q, now)
	}
	to := o.outbox(q.ID)
	return to, o.dead()
}

// move puts messages that already left from into to, payloads where they are.
// A FIFO queue counts retention anew from the move, a standard queue from the
// first send (Amazon SQS Developer Guide, "Dead-letter queues and message retention").
func (o *owner) move(from, to *queueState, now queue.Time, msgs []queue.Message, source string) {
	fifo := to.def != nil && to.def.FIFO
	moves := make([]move, len(msgs))
	key := to.m.NextKey()
	for i := range msgs {
		moves[i] = move{from: msgs[i].Key, to: key + uint64(i), sent: msgs[i].Sent,
			receives: o.origins.of(msgs[i].Source).receives + msgs[i].Receives}
		if from.def != nil && from.def.FIFO {
			moves[i].sent = now
		}
	}
	o.facts.reset()
	o.facts.moved(from.ref, to.ref, fifo, source, moves)
	if _, _, err := o.write(); err != nil {
		return
	}
	for i := range msgs {
		o.placeMoved(from, to, now, msgs[i], moves[i], source)
	}
	if to.ref.outbox {
		wake(o.wakeOutbox)
	}
}

func (o *owner) placeMoved(from, to *queueState, now queue.Time, m queue.Message, mv move, source string) {
	o.unplace(from, m)
	n := queue.Message{
		Key: mv.to, Append: m.Append, Offset: m.Offset, Len: m.Len,
		Sent: mv.sent, Group: m.Group, Source: o.origins.tag(origin{source, mv.receives}),
	}
	if to.ref.outbox {
		n.Group = "" // an outbox keeps one order
	}
	to.m.Insert(now, n)
	o.stray(to, n)
}

// settle is called after every change of a queue: it serves those who wait and
// notes when the queue next wants to be looked at. Call with mu held.
func (o *owner) settle(qs *queueState, now queue.Time) {
	for qs.waiters.len() > 0 && !o.closed && qs.m.Available(now) {
		w := qs.waiters.front()
		d := o.take(qs, now, w.opts)
		if d.err == nil && len(d.msgs) == 0 {
			if !d.moved {
				break
			}
			continue
		}
		qs.waiters.remove(w)
		o.waiting.Add(-1)
		w.ch <- d
	}
	o.reschedule(qs)
}

func (o *owner) reschedule(qs *queueState) {
	at, ok := qs.m.Next()
	if qs.due >= 0 && ok && at == qs.dueAt || qs.due < 0 && !ok {
		return
	}
	o.due.set(qs, at, ok)
	if ok && at < o.clockAt {
		o.clockAt = at
		wake(o.wakeClock)
	}
}

func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// clock looks at queues when their time comes, until ctx ends.
func (o *owner) clock(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		o.mu.Lock()
		wait := time.Hour
		for n := 0; len(o.due) > 0 && !o.closed; n++ {
			now := o.tick()
			qs := o.due[0]
			if qs.dueAt > now {
				wait = time.Duration(qs.dueAt-now) * time.Millisecond
				break
			}
			if n == 100 { // let others in
				wait = 0
				break
			}
			o.due.set(qs, 0, false)
			o.advance(qs, now)
			o.settle(qs, now)
			if qs.due >= 0 && qs.dueAt <= now {
				// Still due at this very instant: what is left waits a millisecond.
				o.due.set(qs, now+1, true)
			}
		}
		o.clockAt = o.now + queue.Time(wait/time.Millisecond)
		closed := o.closed
		o.mu.Unlock()
		if closed {
			return nil
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-o.wakeClock:
		case <-timer.C:
		}
	}
}

// prove keeps provenAt fresh while long polls wait: once a second at most one
// empty append, whatever their number.
func (o *owner) prove(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if o.waiting.Load() == 0 {
			continue
		}
		start := o.svc.elapsed()
		if c := o.j.Barrier(); c.Wait(ctx) == nil {
			o.provenAt.Store(start)
		}
	}
}

// durable waits until everything up to c is durable, and turns a failure into
// what the client may know.
func (o *owner) durable(c *journal.Commit) error {
	<-c.Done()
	err := c.Err()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrFull):
		return ErrFull
	default:
		return fmt.Errorf("%w (%v)", ErrUnavailable, err)
	}
}

// origin is where a dead letter came from and how often it had been received
// by then; the API goes on counting from there, the state machine from 0.
type origin struct {
	arn      string
	receives uint32
}

// originTable gives small numbers to origins. It holds at most one entry for
// each dead-lettering queue and each count at which messages left it (nearly
// always its maxReceiveCount) since the partition was loaded.
type originTable struct {
	list []origin
	tags map[origin]uint32
}

func (t *originTable) tag(o origin) uint32 {
	if o == (origin{}) {
		return 0
	}
	if n, ok := t.tags[o]; ok {
		return n
	}
	if t.tags == nil {
		t.tags = make(map[origin]uint32)
		t.list = []origin{{}}
	}
	n := uint32(len(t.list))
	t.list = append(t.list, o)
	t.tags[o] = n
	return n
}

func (t *originTable) of(tag uint32) origin {
	if int(tag) < len(t.list) {
		return t.list[tag]
	}
	return origin{}
}
