package partition

import (
	"context"
	"fmt"
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
	Condition  = owner.Condition
	Found      = owner.Found
)

// FirstService is the first kind that services may use.
const FirstService = state.FirstService

// The kinds of the services, each with a number of its own for good.
const (
	// KindLedger is topic's: what a FIFO topic has published, so that it publishes
	// nothing twice.
	KindLedger = FirstService + iota
	// KindSchedules is scheduler's: what is to be done later, each under its name.
	KindSchedules
	// KindDeliveries are delivery's: what an endpoint is to get.
	KindDeliveries
	// KindAttempts are delivery's: what it tried at an endpoint, and what came of it.
	KindAttempts
	// KindUndelivered are delivery's: what an endpoint did not take.
	KindUndelivered
	// KindFirings are scheduler's: what a target did not take yet.
	KindFirings
	// KindArrivals are bus's: events that were archived a while ago at most.
	KindArrivals
	// KindArchives are bus's: events that are archived, many to a message.
	KindArchives
	// KindReplays are bus's: replays that go on.
	KindReplays
	// KindTicks are bus's: when a rule with a schedule falls due.
	KindTicks
)

// NameOf is the name of a message, to replace or cancel it.
func NameOf(s string) Name { return Name(hashed("name", s)) }

// DedupOf is the deduplication id of a message that a service posts.
func DedupOf(s string) [16]byte { return hashed("dedup", s) }

// Post puts payloads into queues, all of it at once or none: in those on the
// partition from it is there when Post returns, in those on others soon after,
// each once and in order. Results stand in the order of items and targets.
// Errors: ErrUnavailable, also for a target on a partition that this node knows
// nothing of; ErrBusy, ErrMemory, ErrFull, ErrTooLarge.
func (s *Service) Post(ctx context.Context, from uint32, items []PostItem) ([]Posted, error) {
	return s.PostIf(ctx, from, nil, items)
}

// PostIf is Post if all conditions hold, and removes what they say in the same
// record of the log; else ErrCondition, and nothing is done. There may be no items.
// After ErrUnavailable a condition may fail because the post was done: whoever posts
// again can tell by the message that has the name.
func (s *Service) PostIf(ctx context.Context, from uint32, conditions []Condition, items []PostItem) ([]Posted, error) {
	count := s.keeper.Count()
	for i := range items {
		for k := range items[i].Targets {
			if p := items[i].Targets[k].Target.Partition; p >= count {
				return nil, fmt.Errorf("%w: there is no partition %d, there are %d", ErrUnavailable, p, count)
			}
		}
	}
	out, err := call(ctx, s, from, opPost, owner.PostIn{Items: items, If: conditions})
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
	// Paced: SetPace was called for the queue, and this owner remembers it.
	Paced bool
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
	return Taken{Target: Target{Partition: partition, Queue: out.Queue}, Messages: out.Messages, Paced: out.Paced}, err
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

// Find reads the message of that name, which stays as it is; ok is false if there
// is none.
func (s *Service) Find(ctx context.Context, q Target, n Name) (f Found, ok bool, err error) {
	if n == (Name{}) {
		return Found{}, false, nil
	}
	out, err := s.browse(ctx, q, owner.BrowseIn{Name: n, Max: 1})
	if err != nil || len(out.Found) == 0 {
		return Found{}, false, err
	}
	return out.Found[0], true, nil
}

// List reads up to max messages that have names, at most 1,000 and as many as one
// answer holds, in an order of names that means nothing and never changes, behind
// after (zero: from the start). A walk through all pages gives each message that is
// there all the while once, also if it is replaced under its name or the partition
// changes hands; of others it may give some.
func (s *Service) List(ctx context.Context, q Target, after Name, max int) (list []Found, more bool, err error) {
	for {
		out, err := s.browse(ctx, q, owner.BrowseIn{Named: true, After: after, Max: max})
		if err != nil || len(out.Found) > 0 || !out.More {
			return out.Found, out.More, err
		}
		after = out.Last // what it had to give went while it was read
	}
}

// Read reads up to max messages, at most 1,000 and as many as one answer holds, in
// the order of their keys (of their coming), from the key from on; next is where to
// go on, 0 at the end.
func (s *Service) Read(ctx context.Context, q Target, from uint64, max int) (list []Found, next uint64, err error) {
	return s.read(ctx, q, owner.BrowseIn{From: from, Max: max})
}

// Scan is Read without the payloads.
func (s *Service) Scan(ctx context.Context, q Target, from uint64, max int) (list []Found, next uint64, err error) {
	return s.read(ctx, q, owner.BrowseIn{From: from, Max: max, Bare: true})
}

func (s *Service) read(ctx context.Context, q Target, in owner.BrowseIn) (list []Found, next uint64, err error) {
	for {
		out, err := s.browse(ctx, q, in)
		if err != nil || len(out.Found) > 0 || out.Next == 0 {
			return out.Found, out.Next, err
		}
		in.From = out.Next
	}
}

func (s *Service) browse(ctx context.Context, q Target, in owner.BrowseIn) (owner.BrowseOut, error) {
	in.Queue, in.MaxBytes = q.Queue, s.answerBytes()
	return call(ctx, s, q.Partition, opBrowse, in)
}

// Pace is how fast Take gives what a queue has.
type Pace struct {
	// MaxInFlight is how many messages may be taken at once; 0: as the kind says.
	MaxInFlight int
	// Interval is the time between two messages on average, and Burst how many may
	// come at once (0 counts as 1). Interval 0: no bound.
	Interval time.Duration
	Burst    int
	// NotBefore is when the next one may be given, in Unix milliseconds.
	NotBefore state.Time
}

// SetPace sets how fast Take gives what a queue has, for as long as its partition
// stays with its owner and the queue does not stay empty: see Taken.Paced. It says
// nothing about a queue that holds nothing.
func (s *Service) SetPace(ctx context.Context, q Target, p Pace) error {
	_, err := call(ctx, s, q.Partition, opSetPace, owner.PaceIn{Queue: q.Queue, Pace: state.Pace{
		MaxInFlight: p.MaxInFlight, Interval: int64(p.Interval), Burst: p.Burst, NotBefore: p.NotBefore,
	}})
	return err
}

// Drop removes a service's queue with all that is in it.
func (s *Service) Drop(ctx context.Context, q Target) error {
	_, err := call(ctx, s, q.Partition, opDrop, owner.QueueIn{Queue: q.Queue})
	return err
}

// Milliseconds is a time as places have it.
func Milliseconds(t time.Time) state.Time { return state.Time(t.UnixMilli()) }
