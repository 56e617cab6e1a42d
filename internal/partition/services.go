package partition

import (
	"context"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
)

// What services use. See package owner for what each means.
type (
	Kind       = state.Kind
	KindTerms  = owner.Kind
	Ref        = state.Ref
	Target     = state.Target
	Name       = state.Name
	Receipt    = state.Receipt
	PostItem   = owner.PostItem
	PostTarget = owner.PostTarget
	Posted     = owner.Posted
	Delivered  = owner.Delivered
	RetryEntry = owner.RetryEntry
)

// FirstService is the first kind that services may use.
const FirstService = state.FirstService

// NameOf is the name of a message, to replace or cancel it.
func NameOf(s string) Name { return Name(hashed("name", s)) }

// DedupOf is the deduplication id of a message that a service posts.
func DedupOf(s string) [16]byte { return hashed("dedup", s) }

// Post puts payloads into queues, all of it at once or none: in those on the
// partition from it is there when Post returns, in those on others soon after,
// each once and in order. Results stand in the order of items and targets.
// Errors: ErrUnavailable, ErrBusy, ErrMemory, ErrFull, ErrTooLarge.
func (s *Service) Post(ctx context.Context, from uint32, items []PostItem) ([]Posted, error) {
	out, err := call(ctx, s, from, opPost, owner.PostIn{Items: items})
	return out.Posted, err
}

// TakeTerms say how to take messages of a kind of queues.
type TakeTerms struct {
	// Max messages, 1 to 10, and about MaxBytes of payloads; 0: what fits.
	Max, MaxBytes int
	// Wait for a queue that has something, and Window for more of it.
	Wait, Window time.Duration
}

// Taken are messages of one queue.
type Taken struct {
	Target   Target
	Messages []Delivered
}

// Take gives messages of the next queue of a kind on a partition, each queue in
// its turn; none when none has any in time. They are hidden for the kind's
// visibility timeout: Ack, Retry or Extend each before. If ctx ends, what was
// taken becomes visible again.
func (s *Service) Take(ctx context.Context, partition uint32, k Kind, t TakeTerms) (Taken, error) {
	in := owner.TakeIn{Kind: k, Max: t.Max, MaxBytes: t.MaxBytes, Wait: t.Wait, Window: t.Window}
	if most := s.answerBytes(); in.MaxBytes == 0 || in.MaxBytes > most {
		in.MaxBytes = most
	}
	out, err := callWaiting(ctx, s, partition, opTake, in, t.Wait, func(in *owner.TakeIn, left time.Duration) { in.Wait = left })
	return Taken{Target: Target{Partition: partition, Queue: out.Queue}, Messages: out.Messages}, err
}

// Ack removes messages that were taken; one outcome each.
func (s *Service) Ack(ctx context.Context, q Target, receipts []Receipt) ([]error, error) {
	out, err := call(ctx, s, q.Partition, opRemove, owner.RemoveIn{Queue: q.Queue, Receipts: receipts})
	return out.Outcomes, err
}

// Retry lets messages wait for another attempt; one outcome each.
func (s *Service) Retry(ctx context.Context, q Target, entries []RetryEntry) ([]error, error) {
	out, err := call(ctx, s, q.Partition, opRetry, owner.RetryIn{Queue: q.Queue, Entries: entries})
	return out.Outcomes, err
}

// Extend hides messages that were taken for another time from now, in whole
// seconds; one outcome each.
func (s *Service) Extend(ctx context.Context, q Target, receipts []Receipt, by time.Duration) ([]error, error) {
	in := owner.HideIn{Queue: q.Queue}
	for _, r := range receipts {
		in.Changes = append(in.Changes, owner.HideEntry{Receipt: r, Seconds: int32((by + time.Second - 1) / time.Second)})
	}
	out, err := call(ctx, s, q.Partition, opHide, in)
	return out.Outcomes, err
}

// Cancel removes the message of that name and reports whether it was there.
func (s *Service) Cancel(ctx context.Context, q Target, n Name) (bool, error) {
	out, err := call(ctx, s, q.Partition, opCancel, owner.CancelIn{Queue: q.Queue, Name: n})
	return out.Found, err
}

// CountOf counts the messages of a service's queue.
func (s *Service) CountOf(ctx context.Context, q Target) (Counts, error) {
	return call(ctx, s, q.Partition, opCount, owner.QueueIn{Queue: q.Queue})
}

// Drop removes a service's queue with all that is in it.
func (s *Service) Drop(ctx context.Context, q Target) error {
	_, err := call(ctx, s, q.Partition, opDrop, owner.QueueIn{Queue: q.Queue})
	return err
}

// Milliseconds is a time as places have it.
func Milliseconds(t time.Time) state.Time { return state.Time(t.UnixMilli()) }
