package partition

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/lease"
	"github.com/waystation/waystation/internal/queue"
	"github.com/waystation/waystation/internal/registry"
)

// Service runs the partitions that this node owns and sends every request to
// the owner of its queue's partition, here or on another node.
type Service struct {
	cfg    Config
	log    *slog.Logger
	run    string // this run of the node; another each start
	base   time.Time
	keeper *lease.Keeper

	receipts *receiptSigner
	full     atomic.Bool // free space is under the reserve
	ready    chan struct{}

	mu     sync.Mutex
	owners map[uint32]*owned
	callID atomic.Uint64
	slots  chan struct{} // bounds requests of other nodes under way
}

// owned is a partition that this node runs or is loading.
type owned struct {
	owner    *owner // nil while loading
	progress journal.Progress
}

// New checks the configuration. Nothing runs until Run; requests that come
// before wait for it.
func New(cfg Config) (*Service, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, log: cfg.Logger.With("service", "partition"), run: newRun(), base: time.Now(),
		ready: make(chan struct{}), owners: make(map[uint32]*owned),
		slots: make(chan struct{}, cfg.MaxRequests+cfg.MaxWaiting),
	}
	var err error
	s.keeper, err = lease.New(lease.Config{
		Cluster: cfg.Conn, Prefix: cfg.Prefix, Node: cfg.Node, Run: s.run, Count: cfg.Count, TTL: cfg.Lease,
		Serve: s.own, Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// elapsed is a monotonic clock in nanoseconds, for durations only.
func (s *Service) elapsed() int64 { return int64(time.Since(s.base)) }

// Ready is closed once every partition has an owner that answers.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Place chooses the partition of a new queue: beside its dead-letter queue, so
// that moves are atomic, else the partition with the fewest queues.
func (s *Service) Place(q *registry.Queue) uint32 {
	if q.Redrive != nil {
		if t, ok := s.cfg.Registry.QueueByARN(q.Redrive.TargetARN); ok {
			return t.Partition
		}
	}
	count := s.keeper.Count()
	best, fewest := uint32(0), int(^uint(0)>>1)
	for p := range count {
		if n := s.cfg.Registry.CountOf(p); n < fewest {
			best, fewest = p, n
		}
		if count == 1 {
			break
		}
	}
	return best
}

// hashDedup is the key under which a deduplication id is remembered; group is
// given when ids count within their message group only.
func hashDedup(group, id string) queue.DedupID {
	b := make([]byte, 0, 300)
	b = putString(b, group)
	b = append(b, id...)
	sum := sha256.Sum256(b)
	return queue.DedupID(sum[:16])
}

// peer answers for a partition: its owner in this process, or the way to it.
type peer interface {
	send(ctx context.Context, id uint64, msgs []outgoing) ([]SendResult, error)
	receive(ctx context.Context, id uint64, opts ReceiveOptions) ([]Received, error)
	remove(ctx context.Context, id uint64, receipts []string) ([]error, error)
	changeVisibility(ctx context.Context, id uint64, changes []VisibilityChange) ([]error, error)
	purge(ctx context.Context, id uint64) error
	counts(ctx context.Context, id uint64) (Counts, error)
	startMove(ctx context.Context, id uint64, t MoveTask) (MoveTask, error)
	cancelMove(ctx context.Context, id uint64, task string) (MoveTask, error)
	listMoves(ctx context.Context, id uint64, limit int) ([]MoveTask, error)
	takeIn(ctx context.Context, id uint64, from uint32, items []handed) (uint64, error)
}

var _ peer = (*owner)(nil)

// peer finds who answers for a partition now; nil when nobody is known.
func (s *Service) peer(p uint32) (peer, <-chan struct{}) {
	v, changed := s.keeper.Partition(p)
	switch {
	case v.Run == "":
		return nil, changed
	case v.Mine:
		s.mu.Lock()
		defer s.mu.Unlock()
		if o := s.owners[p]; o != nil && o.owner != nil {
			return o.owner, changed
		}
		return nil, changed
	default:
		return &remote{s: s, run: v.Run, partition: p}, changed
	}
}

// call sends a request to the owner of a partition. While there is none, or it
// says that it no longer is the owner (so the request had no effect), it waits
// for the next, RouteTimeout in all.
func call[T any](ctx context.Context, s *Service, partition uint32, f func(peer) (T, error)) (T, error) {
	if o := s.local(partition); o != nil {
		if v, err := f(o); !errors.Is(err, errNotOwner) {
			return v, err
		}
	}
	var zero T
	deadline := time.NewTimer(s.cfg.RouteTimeout)
	defer deadline.Stop()
	for rest := 25 * time.Millisecond; ; rest = min(2*rest, time.Second) {
		p, changed := s.peer(partition)
		if p != nil {
			v, err := f(p)
			if !errors.Is(err, errNotOwner) {
				return v, err
			}
		}
		// An owner that changes or has loaded anew shows in changed. A request to
		// another node may also have been lost: look again now and then.
		again := time.NewTimer(rest)
		select {
		case <-changed:
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return zero, ctx.Err()
		case <-deadline.C:
			again.Stop()
			return zero, ErrUnavailable
		}
		again.Stop()
	}
}

// local is the quick way to an owner in this process.
func (s *Service) local(p uint32) *owner {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owners[p]; o != nil {
		return o.owner
	}
	return nil
}

// Send puts messages into a queue, all or none of them; at most ten. Results
// stand in the order of msgs.
// Errors: ErrUnavailable, ErrBusy, ErrFull, ErrQueueGone.
func (s *Service) Send(ctx context.Context, q *registry.Queue, msgs []Message) ([]SendResult, error) {
	if len(msgs) == 0 || len(msgs) > 10 {
		return nil, fmt.Errorf("partition: %d messages in one send, 1 to 10 are possible", len(msgs))
	}
	size := 0
	for i := range msgs {
		size += len(msgs[i].Body) + 160
	}
	buf := make([]byte, 0, size)
	out := make([]outgoing, len(msgs))
	for i := range msgs {
		m := &msgs[i]
		start := len(buf)
		buf = encodePayload(buf, m)
		out[i] = outgoing{ID: m.ID, Payload: buf[start:len(buf):len(buf)], Group: m.GroupID, Delay: m.Delay}
		if q.FIFO {
			out[i].Delay = -1
			if m.DedupID != "" {
				group := ""
				if q.DedupScope == "messageGroup" {
					group = m.GroupID
				}
				out[i].Dedup, out[i].DedupID = true, hashDedup(group, m.DedupID)
			}
		}
	}
	return call(ctx, s, q.Partition, func(p peer) ([]SendResult, error) { return p.send(ctx, q.ID, out) })
}

// Receive takes up to opts.Max messages of a queue. When there is none it
// waits for opts.Wait; an empty answer is no error. If ctx ends, what was
// taken becomes visible again.
// Errors: ErrUnavailable, ErrBusy, ErrOverLimit, ErrQueueGone.
func (s *Service) Receive(ctx context.Context, q *registry.Queue, opts ReceiveOptions) ([]Received, error) {
	if opts.Max < 1 || opts.Max > 10 {
		return nil, fmt.Errorf("partition: receive of %d messages, 1 to 10 are possible", opts.Max)
	}
	until := s.elapsed() + int64(opts.Wait)
	return call(ctx, s, q.Partition, func(p peer) ([]Received, error) {
		o := opts
		o.Wait = max(0, time.Duration(until-s.elapsed()))
		return p.receive(ctx, q.ID, o)
	})
}

// Delete removes messages by the receipts of their receives; one outcome each:
// nil, ErrReceiptInvalid or ErrReceiptExpired. A message that is gone already
// is no error, nor is an old receipt on a standard queue.
func (s *Service) Delete(ctx context.Context, q *registry.Queue, receipts []string) ([]error, error) {
	return call(ctx, s, q.Partition, func(p peer) ([]error, error) { return p.remove(ctx, q.ID, receipts) })
}

// ChangeVisibility hides messages for another time from now; one outcome each:
// nil, ErrReceiptInvalid, ErrNotInFlight or ErrVisibilityTotal.
func (s *Service) ChangeVisibility(ctx context.Context, q *registry.Queue, changes []VisibilityChange) ([]error, error) {
	return call(ctx, s, q.Partition, func(p peer) ([]error, error) { return p.changeVisibility(ctx, q.ID, changes) })
}

// Purge removes all messages of a queue. ErrPurgeInProgress within 60 s of the last purge.
func (s *Service) Purge(ctx context.Context, q *registry.Queue) error {
	_, err := call(ctx, s, q.Partition, func(p peer) (struct{}, error) { return struct{}{}, p.purge(ctx, q.ID) })
	return err
}

// Counts are exact as of some moment between the call and the answer.
func (s *Service) Counts(ctx context.Context, q *registry.Queue) (Counts, error) {
	return call(ctx, s, q.Partition, func(p peer) (Counts, error) { return p.counts(ctx, q.ID) })
}

// StartMove starts moving the messages of a dead-letter queue to the queue of
// that ARN, or each to the queue it came from when destination is empty; rate
// in messages a second, 0 for no limit. ErrMoveActive if one runs already.
func (s *Service) StartMove(ctx context.Context, source *registry.Queue, destination string, rate int) (MoveTask, error) {
	t := MoveTask{ID: s.cfg.NewID().String(), Source: source.ARN(), Destination: destination, Rate: rate}
	return call(ctx, s, source.Partition, func(p peer) (MoveTask, error) { return p.startMove(ctx, source.ID, t) })
}

// CancelMove stops a move task; what was moved stays moved. ErrMoveNotFound,
// ErrMoveNotRunning.
func (s *Service) CancelMove(ctx context.Context, source *registry.Queue, id string) (MoveTask, error) {
	return call(ctx, s, source.Partition, func(p peer) (MoveTask, error) { return p.cancelMove(ctx, source.ID, id) })
}

// ListMoves gives the newest move tasks of a queue, at most 10, newest first.
func (s *Service) ListMoves(ctx context.Context, source *registry.Queue, limit int) ([]MoveTask, error) {
	return call(ctx, s, source.Partition, func(p peer) ([]MoveTask, error) { return p.listMoves(ctx, source.ID, limit) })
}
