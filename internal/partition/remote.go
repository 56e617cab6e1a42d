package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/partition/owner"
)

// Requests to partitions of other nodes go over NATS as CBOR: one subject for
// each run of a node, one for cancelling requests of clients that went away.

// request asks another node for an operation.
type request struct {
	Operation uint8           `cbor:"1,keyasint"`
	Partition uint32          `cbor:"2,keyasint"`
	Revision  uint64          `cbor:"3,keyasint"` // that the sender's registry shows: what it asks for may be as new
	Call      string          `cbor:"4,keyasint,omitempty"`
	In        cbor.RawMessage `cbor:"5,keyasint"`
}

type reply struct {
	Error uint8           `cbor:"1,keyasint,omitempty"` // owner.ErrorNumber
	Out   cbor.RawMessage `cbor:"2,keyasint,omitempty"`
}

var (
	encMode, _ = cbor.EncOptions{}.EncMode()
	decMode, _ = cbor.DecOptions{MaxArrayElements: 1 << 16, UTF8: cbor.UTF8DecodeInvalid}.DecMode()
)

// envelopeBytes is what a request or reply takes beside its input or output, at most.
const envelopeBytes = 4 << 10

func (s *Service) nodeSubject(run string) string   { return s.cfg.Prefix + ".node." + run }
func (s *Service) cancelSubject(run string) string { return s.cfg.Prefix + ".cancel." + run }

// serveOthers answers the requests of other nodes until stop is called.
func (s *Service) serveOthers() (stop func(), err error) {
	calls := newCallTable()
	stopRequests, err := s.cfg.Conn.Serve(s.nodeSubject(s.run), func(in *jet.Incoming) {
		var req request
		if err := decMode.Unmarshal(in.Data, &req); err != nil {
			s.log.Warn("a request of another node can't be read; do the nodes run the same release?", "error", err)
			s.answer(in, &reply{Error: owner.ErrorNumber(ErrUnavailable)})
			return
		}
		select {
		case s.slots <- struct{}{}:
		default:
			s.answer(in, &reply{Error: owner.ErrorNumber(ErrBusy)})
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
	if o == nil || ctx.Err() != nil { // nobody waits for it, or this node stops: it has no effect
		return &reply{Error: owner.ErrorNumber(owner.ErrNotOwner)}
	}
	// The sender may know a queue that this node has not heard of yet.
	wait, cancel := context.WithTimeout(ctx, 2*time.Second)
	err := s.cfg.Registry.WaitFor(wait, req.Revision)
	cancel()
	run := handlers[req.Operation]
	if err != nil || run == nil {
		return &reply{Error: owner.ErrorNumber(ErrUnavailable)}
	}
	out, err := run(ctx, o, req.In)
	if err != nil {
		return &reply{Error: owner.ErrorNumber(err)}
	}
	return &reply{Out: out}
}

// remoteLimit bounds a request to another node, beside what it waits itself.
const remoteLimit = 15 * time.Second

// ask sends an operation to the run of a node that owns a partition.
func ask[In, Out any](ctx context.Context, s *Service, run string, partition uint32, op *operation[In, Out], in In) (out Out, err error) {
	body, err := encMode.Marshal(&in)
	if err != nil {
		return out, fmt.Errorf("request to another node: %w", err)
	}
	limit := remoteLimit
	if op.wait != nil {
		limit += op.wait(in)
	}
	body, err = s.exchange(ctx, run, limit, &request{
		Operation: op.number, Partition: partition, Revision: s.cfg.Registry.Revision(),
		Call: fmt.Sprintf("%s.%d", s.run, s.callID.Add(1)), In: body,
	})
	if err != nil {
		return out, err
	}
	if err := decMode.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("%w: answer of another node: %w", ErrUnavailable, err)
	}
	return out, nil
}

// exchange sends a request and waits for its answer, as long as the node asked is
// the one that should answer.
func (s *Service) exchange(ctx context.Context, run string, limit time.Duration, req *request) ([]byte, error) {
	b, err := encMode.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("request to another node: %w", err)
	}
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stop := s.watchOwner(inner, req.Partition, run, cancel)
	defer stop()
	data, err := s.cfg.Conn.Request(inner, s.nodeSubject(run), b)
	switch {
	case errors.Is(err, jet.ErrNoResponders):
		return nil, owner.ErrNotOwner // nobody took it: no effect
	case errors.Is(err, jet.ErrTooLarge):
		return nil, ErrTooLarge
	case err != nil:
		_ = s.cfg.Conn.Publish(s.cancelSubject(run), []byte(req.Call))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, ErrUnavailable // it may or may not have taken effect
	}
	var rep reply
	if err := decMode.Unmarshal(data, &rep); err != nil {
		return nil, fmt.Errorf("%w: answer of another node: %w", ErrUnavailable, err)
	}
	return rep.Out, owner.ErrorOf(rep.Error)
}

// watchOwner ends a request when another node takes the partition over: the one
// asked may be frozen or gone, and would be waited for in vain.
func (s *Service) watchOwner(ctx context.Context, partition uint32, run string, cancel context.CancelFunc) (stop func()) {
	done := make(chan struct{})
	go func() {
		for {
			v, changed := s.keeper.Partition(partition)
			if v.Run != run {
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
