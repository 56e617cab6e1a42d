package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/waystation/waystation/internal/jet"
)

// Requests to partitions of other nodes go over NATS as CBOR: one subject for
// each run of a node, one for cancelling requests of clients that went away.

type operation uint8

const (
	opSend operation = iota + 1
	opReceive
	opRemove
	opVisibility
	opPurge
	opCounts
	opStartMove
	opCancelMove
	opListMoves
	opTakeIn
)

type request struct {
	Op        operation          `cbor:"1,keyasint"`
	Partition uint32             `cbor:"2,keyasint"`
	Queue     uint64             `cbor:"3,keyasint"`
	Revision  uint64             `cbor:"4,keyasint"` // of the registry, as the sender knows it
	Call      string             `cbor:"5,keyasint,omitempty"`
	Messages  []outgoing         `cbor:"6,keyasint,omitempty"`
	Receive   *ReceiveOptions    `cbor:"7,keyasint,omitempty"`
	Receipts  []string           `cbor:"8,keyasint,omitempty"`
	Changes   []VisibilityChange `cbor:"9,keyasint,omitempty"`
	Task      *MoveTask          `cbor:"10,keyasint,omitempty"`
	Limit     int                `cbor:"11,keyasint,omitempty"`
	From      uint32             `cbor:"12,keyasint,omitempty"`
	Items     []handed           `cbor:"13,keyasint,omitempty"`
}

type sentReply struct {
	ID       MessageID `cbor:"1,keyasint"`
	Sequence uint64    `cbor:"2,keyasint,omitempty"`
}

type reply struct {
	Error    uint8       `cbor:"1,keyasint,omitempty"`
	Sent     []sentReply `cbor:"2,keyasint,omitempty"`
	Received []Received  `cbor:"3,keyasint,omitempty"`
	Errors   []uint8     `cbor:"4,keyasint,omitempty"`
	Counts   Counts      `cbor:"5,keyasint"`
	Task     MoveTask    `cbor:"6,keyasint"`
	Tasks    []MoveTask  `cbor:"7,keyasint,omitempty"`
	Mark     uint64      `cbor:"8,keyasint,omitempty"`
}

// wireErrors is the numbering of errors between nodes: only ever add at the end.
var wireErrors = []error{
	nil, ErrUnavailable, ErrBusy, ErrFull, ErrQueueGone, ErrReceiptInvalid, ErrReceiptExpired, ErrNotInFlight,
	ErrVisibilityTotal, ErrOverLimit, ErrPurgeInProgress, ErrMoveActive, ErrMoveNotFound, ErrMoveNotRunning, errNotOwner,
}

func errorNumber(err error) uint8 {
	if err == nil {
		return 0
	}
	for i, e := range wireErrors[1:] {
		if errors.Is(err, e) {
			return uint8(i + 1)
		}
	}
	return 1
}

func wireError(n uint8) error {
	if int(n) < len(wireErrors) {
		return wireErrors[n]
	}
	return ErrUnavailable
}

var (
	encMode, _ = cbor.EncOptions{}.EncMode()
	decMode, _ = cbor.DecOptions{MaxArrayElements: 1 << 16, UTF8: cbor.UTF8DecodeInvalid}.DecMode()
)

func (s *Service) nodeSubject(run string) string   { return s.cfg.Prefix + ".node." + run }
func (s *Service) cancelSubject(run string) string { return s.cfg.Prefix + ".cancel." + run }

// serveOthers answers the requests of other nodes until stop is called.
func (s *Service) serveOthers() (stop func(), err error) {
	calls := newCallTable()
	stopRequests, err := s.cfg.Conn.Serve(s.nodeSubject(s.run), func(in *jet.Incoming) {
		var req request
		if err := decMode.Unmarshal(in.Data, &req); err != nil {
			s.log.Warn("a request of another node can't be read; do the nodes run the same release?", "error", err)
			s.answer(in, &reply{Error: errorNumber(ErrUnavailable)})
			return
		}
		select {
		case s.slots <- struct{}{}:
		default:
			s.answer(in, &reply{Error: errorNumber(ErrBusy)})
			return
		}
		ctx, done := calls.start(req.Call)
		go func() {
			defer func() { <-s.slots }()
			defer done()
			s.answer(in, s.handle(ctx, &req))
		}()
	})
	if err != nil {
		return nil, err
	}
	stopCancels, err := s.cfg.Conn.Serve(s.cancelSubject(s.run), func(in *jet.Incoming) { calls.cancel(string(in.Data)) })
	if err != nil {
		stopRequests()
		return nil, err
	}
	return func() {
		stopRequests()
		stopCancels()
		calls.cancelAll()
	}, nil
}

func (s *Service) answer(in *jet.Incoming, r *reply) {
	b, err := encMode.Marshal(r)
	if err == nil {
		err = in.Reply(b)
	}
	if err != nil {
		s.log.Warn("another node's request can't be answered", "error", err)
	}
}

// handle runs one request of another node.
func (s *Service) handle(ctx context.Context, req *request) *reply {
	o := s.local(req.Partition)
	if o == nil {
		return &reply{Error: errorNumber(errNotOwner)}
	}
	// The sender may know a queue that this node has not heard of yet.
	wait, cancel := context.WithTimeout(ctx, 2*time.Second)
	err := s.cfg.Registry.WaitFor(wait, req.Revision)
	cancel()
	if err != nil {
		return &reply{Error: errorNumber(ErrUnavailable)}
	}
	r := &reply{}
	switch req.Op {
	case opSend:
		var sent []SendResult
		sent, err = o.send(ctx, req.Queue, req.Messages)
		for _, x := range sent {
			r.Sent = append(r.Sent, sentReply{ID: x.ID, Sequence: x.Sequence})
		}
	case opReceive:
		if req.Receive == nil {
			return &reply{Error: errorNumber(ErrUnavailable)}
		}
		r.Received, err = o.receive(ctx, req.Queue, *req.Receive)
	case opRemove:
		var errs []error
		errs, err = o.remove(ctx, req.Queue, req.Receipts)
		r.Errors = errorNumbers(errs)
	case opVisibility:
		var errs []error
		errs, err = o.changeVisibility(ctx, req.Queue, req.Changes)
		r.Errors = errorNumbers(errs)
	case opPurge:
		err = o.purge(ctx, req.Queue)
	case opCounts:
		r.Counts, err = o.counts(ctx, req.Queue)
	case opStartMove, opCancelMove:
		switch {
		case req.Task == nil:
			err = ErrUnavailable
		case req.Op == opStartMove:
			r.Task, err = o.startMove(ctx, req.Queue, *req.Task)
		default:
			r.Task, err = o.cancelMove(ctx, req.Queue, req.Task.ID)
		}
	case opListMoves:
		r.Tasks, err = o.listMoves(ctx, req.Queue, req.Limit)
	case opTakeIn:
		r.Mark, err = o.takeIn(ctx, req.Queue, req.From, req.Items)
	default:
		err = ErrUnavailable
	}
	r.Error = errorNumber(err)
	return r
}

func errorNumbers(errs []error) []uint8 {
	out := make([]uint8, len(errs))
	for i, err := range errs {
		out[i] = errorNumber(err)
	}
	return out
}

// remote is the way to a partition on another node.
type remote struct {
	s         *Service
	run       string
	partition uint32
}

// do sends a request and waits for its answer, as long as the other node is
// the one that should answer.
func (r *remote) do(ctx context.Context, req *request, limit time.Duration) (*reply, error) {
	s := r.s
	req.Partition, req.Revision = r.partition, s.cfg.Registry.Revision()
	req.Call = fmt.Sprintf("%s.%d", s.run, s.callID.Add(1))
	b, err := encMode.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("request to another node: %w", err)
	}
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stop := r.watchOwner(inner, cancel)
	defer stop()
	data, err := s.cfg.Conn.Request(inner, s.nodeSubject(r.run), b)
	switch {
	case errors.Is(err, jet.ErrNoResponders):
		return nil, errNotOwner // nobody took it: no effect
	case err != nil:
		_ = s.cfg.Conn.Publish(s.cancelSubject(r.run), []byte(req.Call))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, ErrUnavailable // it may or may not have taken effect
	}
	var rep reply
	if err := decMode.Unmarshal(data, &rep); err != nil {
		return nil, fmt.Errorf("answer of another node: %w", err)
	}
	return &rep, wireError(rep.Error)
}

// watchOwner ends the request when another node takes the partition over: the
// one asked may be frozen or gone, and would be waited for in vain.
func (r *remote) watchOwner(ctx context.Context, cancel context.CancelFunc) (stop func()) {
	done := make(chan struct{})
	go func() {
		for {
			v, changed := r.s.keeper.Partition(r.partition)
			if v.Run != r.run {
				// Leave a node that hands over time to answer what it has.
				grace := time.NewTimer(500 * time.Millisecond)
				defer grace.Stop()
				select {
				case <-grace.C:
					cancel()
				case <-done:
				case <-ctx.Done():
				}
				return
			}
			select {
			case <-changed:
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { close(done) }
}

const remoteLimit = 15 * time.Second

func (r *remote) send(ctx context.Context, id uint64, msgs []outgoing) ([]SendResult, error) {
	rep, err := r.do(ctx, &request{Op: opSend, Queue: id, Messages: msgs}, remoteLimit)
	if err != nil {
		return nil, err
	}
	if len(rep.Sent) != len(msgs) {
		return nil, ErrUnavailable
	}
	out := make([]SendResult, len(rep.Sent))
	for i, x := range rep.Sent {
		out[i] = SendResult{ID: x.ID, Sequence: x.Sequence}
	}
	return out, nil
}

func (r *remote) receive(ctx context.Context, id uint64, opts ReceiveOptions) ([]Received, error) {
	rep, err := r.do(ctx, &request{Op: opReceive, Queue: id, Receive: &opts}, opts.Wait+remoteLimit)
	if err != nil {
		return nil, err
	}
	return rep.Received, nil
}

func (r *remote) each(ctx context.Context, req *request, n int) ([]error, error) {
	rep, err := r.do(ctx, req, remoteLimit)
	if err != nil {
		return nil, err
	}
	if len(rep.Errors) != n {
		return nil, ErrUnavailable
	}
	out := make([]error, n)
	for i, e := range rep.Errors {
		out[i] = wireError(e)
	}
	return out, nil
}

func (r *remote) remove(ctx context.Context, id uint64, receipts []string) ([]error, error) {
	return r.each(ctx, &request{Op: opRemove, Queue: id, Receipts: receipts}, len(receipts))
}

func (r *remote) changeVisibility(ctx context.Context, id uint64, changes []VisibilityChange) ([]error, error) {
	return r.each(ctx, &request{Op: opVisibility, Queue: id, Changes: changes}, len(changes))
}

func (r *remote) purge(ctx context.Context, id uint64) error {
	_, err := r.do(ctx, &request{Op: opPurge, Queue: id}, remoteLimit)
	return err
}

func (r *remote) counts(ctx context.Context, id uint64) (Counts, error) {
	rep, err := r.do(ctx, &request{Op: opCounts, Queue: id}, remoteLimit)
	if err != nil {
		return Counts{}, err
	}
	return rep.Counts, nil
}

func (r *remote) task(ctx context.Context, req *request) (MoveTask, error) {
	rep, err := r.do(ctx, req, remoteLimit)
	if err != nil {
		return MoveTask{}, err
	}
	return rep.Task, nil
}

func (r *remote) startMove(ctx context.Context, id uint64, t MoveTask) (MoveTask, error) {
	return r.task(ctx, &request{Op: opStartMove, Queue: id, Task: &t})
}

func (r *remote) cancelMove(ctx context.Context, id uint64, task string) (MoveTask, error) {
	return r.task(ctx, &request{Op: opCancelMove, Queue: id, Task: &MoveTask{ID: task}})
}

func (r *remote) listMoves(ctx context.Context, id uint64, limit int) ([]MoveTask, error) {
	rep, err := r.do(ctx, &request{Op: opListMoves, Queue: id, Limit: limit}, remoteLimit)
	if err != nil {
		return nil, err
	}
	return rep.Tasks, nil
}

func (r *remote) takeIn(ctx context.Context, id uint64, from uint32, items []handed) (uint64, error) {
	rep, err := r.do(ctx, &request{Op: opTakeIn, Queue: id, From: from, Items: items}, remoteLimit)
	if err != nil {
		return 0, err
	}
	return rep.Mark, nil
}
