package owner

import (
	"context"
	"errors"

	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/queue"
)

// RemoveIn names messages by their receives.
type RemoveIn struct {
	Queue    state.Ref       `cbor:"1,keyasint"`
	Receipts []state.Receipt `cbor:"2,keyasint"`
}

// EntriesOut has one outcome for each entry of the request.
type EntriesOut struct {
	Outcomes Outcomes `cbor:"1,keyasint"`
}

// Remove deletes messages that were received. ErrReceiptExpired for one of a FIFO
// queue that was received again, or whose visibility timeout is over. A message
// that is gone already is no error, nor is an old receipt on a standard queue.
func (o *Owner) Remove(_ context.Context, in RemoveIn) (EntriesOut, error) {
	if len(in.Receipts) > MaxEntries {
		return EntriesOut{}, ErrTooLarge
	}
	out := EntriesOut{make(Outcomes, len(in.Receipts))}
	err := o.change(0, in.Queue, func(q *state.Queue, _ *definition) error {
		o.st.Remove(q, in.Receipts, func(i int, err error) {
			if errors.Is(err, queue.ErrExpired) || errors.Is(err, queue.ErrStale) && q.Terms().FIFO {
				out.Outcomes[i] = ErrReceiptExpired
			}
		})
		return nil
	})
	return out, err
}

// HideIn hides messages in flight for another time.
type HideIn struct {
	Queue   state.Ref   `cbor:"1,keyasint"`
	Changes []HideEntry `cbor:"2,keyasint"`
}

// HideEntry is one message and for how many seconds from now it is hidden.
type HideEntry struct {
	state.Receipt
	Seconds int32 `cbor:"3,keyasint"`
}

// maxVisibility is how long a message can be hidden in all, from its receive.
const maxVisibility = 12 * 60 * 60 * 1000

// Hide changes visibility timeouts. Outcomes: ErrVisibilityTotal,
// ErrReceiptExpired, ErrNotInFlight. On a standard queue a receipt that is no
// longer good is accepted and changes nothing, as with Amazon SQS.
func (o *Owner) Hide(_ context.Context, in HideIn) (EntriesOut, error) {
	if len(in.Changes) > MaxEntries {
		return EntriesOut{}, ErrTooLarge
	}
	out := EntriesOut{make(Outcomes, len(in.Changes))}
	err := o.change(0, in.Queue, func(q *state.Queue, _ *definition) error {
		now := o.st.Now()
		for i, c := range in.Changes {
			until := now + seconds(c.Seconds)
			m, ok := q.Get(c.Key)
			if ok && m.Receives == c.Receive && m.InFlight && until > m.LastReceived+maxVisibility {
				out.Outcomes[i] = ErrVisibilityTotal
				continue
			}
			err := o.st.Hide(q, c.Key, c.Receive, until)
			switch {
			case err == nil:
			case errors.Is(err, queue.ErrNotFound):
				out.Outcomes[i] = ErrReceiptExpired
			case !q.Terms().FIFO:
				// Too late: the message is visible again, or another receive has
				// it. A heartbeat that comes late is no error, and changes nothing.
			case errors.Is(err, queue.ErrNotInFlight):
				out.Outcomes[i] = ErrNotInFlight
			default: // received again since
				out.Outcomes[i] = ErrReceiptExpired
			}
		}
		return nil
	})
	return out, err
}

// QueueIn names a queue.
type QueueIn struct {
	Queue state.Ref `cbor:"1,keyasint"`
}

// Nothing is the output of an operation that has none.
type Nothing struct{}

// purgeEvery is the shortest time between two purges of a queue.
const purgeEvery = 60 * 1000

// Purge removes all messages of a queue and forgets its deduplication ids.
// ErrPurgeInProgress within 60 s of the last purge.
func (o *Owner) Purge(_ context.Context, in QueueIn) (Nothing, error) {
	return Nothing{}, o.change(0, in.Queue, func(q *state.Queue, _ *definition) error {
		if last := q.Purged(); last != 0 && o.st.Now() < last+purgeEvery {
			return ErrPurgeInProgress
		}
		o.st.Purge(q)
		return nil
	})
}

// Drop removes a queue of a service with all that is in it.
func (o *Owner) Drop(_ context.Context, in QueueIn) (Nothing, error) {
	return Nothing{}, o.change(0, in.Queue, func(q *state.Queue, def *definition) error {
		if def == nil {
			o.drop(q)
		}
		return nil
	})
}

// Counts are exact, as of the moment of the answer.
type Counts struct {
	Visible  int `cbor:"1,keyasint"`
	InFlight int `cbor:"2,keyasint"`
	Delayed  int `cbor:"3,keyasint"`
	// Oldest is when the oldest message was sent, in Unix milliseconds; 0 when
	// the queue is empty.
	Oldest int64 `cbor:"4,keyasint"`
	// Bytes of all payloads.
	Bytes int64 `cbor:"5,keyasint,omitempty"`
}

// Count counts a queue's messages.
func (o *Owner) Count(_ context.Context, in QueueIn) (c Counts, err error) {
	err = o.change(0, in.Queue, func(q *state.Queue, _ *definition) error {
		c = countsOf(q)
		return nil
	})
	return c, err
}

func countsOf(q *state.Queue) Counts {
	n := q.Counts()
	c := Counts{Visible: n.Visible, InFlight: n.InFlight, Delayed: n.Delayed, Bytes: n.Bytes}
	if t, ok := q.Oldest(); ok {
		c.Oldest = int64(t)
	}
	return c
}
