package owner

import (
	"context"
	"errors"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/queue"
)

// BrowseIn asks for messages of a service's queue without receiving them.
type BrowseIn struct {
	Queue state.Ref `cbor:"1,keyasint"`
	// Name of the one message that is asked for. Zero: see Named.
	Name state.Name `cbor:"2,keyasint"`
	// Named asks for messages that have names, in an order of names that stays,
	// behind After (zero: from the start); else for all, in the order of their
	// keys, from the key From on.
	Named bool       `cbor:"3,keyasint,omitempty"`
	After state.Name `cbor:"4,keyasint"`
	From  uint64     `cbor:"5,keyasint,omitempty"`
	// Max messages, 1 to MaxEntries, and about MaxBytes of payloads, unless the
	// first alone is larger; 0: the owner's own bounds.
	Max      int `cbor:"6,keyasint,omitempty"`
	MaxBytes int `cbor:"7,keyasint,omitempty"`
	// Bare asks for messages without their payloads.
	Bare bool `cbor:"8,keyasint,omitempty"`
}

// BrowseOut are the messages that were there.
type BrowseOut struct {
	Found []Found `cbor:"1,keyasint,omitempty"`
	// More: there may be more, by name behind Last, by key from Next on.
	More bool       `cbor:"2,keyasint,omitempty"`
	Next uint64     `cbor:"3,keyasint,omitempty"`
	Last state.Name `cbor:"4,keyasint"`
}

// Found is a message as it stands.
type Found struct {
	Key       uint64     `cbor:"1,keyasint"`
	Name      state.Name `cbor:"2,keyasint"` // zero: none
	Payload   []byte     `cbor:"3,keyasint"`
	Sent      state.Time `cbor:"4,keyasint"`
	VisibleAt state.Time `cbor:"5,keyasint,omitempty"` // 0: it can be taken
	InFlight  bool       `cbor:"6,keyasint,omitempty"`
	Receives  uint32     `cbor:"7,keyasint,omitempty"`
	Reference string     `cbor:"8,keyasint,omitempty"`
}

// Browse reads messages and changes nothing. What is written again, replaced or
// removed in the middle shows in one of its states, or not at all; by key not in that
// of the message that has its name since, whose key is another one.
func (o *Owner) Browse(ctx context.Context, in BrowseIn) (BrowseOut, error) {
	if in.Queue.Kind < state.FirstService {
		return BrowseOut{}, ErrQueueGone
	}
	if err := o.admit(0); err != nil {
		return BrowseOut{}, err
	}
	defer o.leave(0)
	byName := in.Named || in.Name != state.Name{}
	most := MaxEntries
	if in.Max > 0 {
		most = min(most, in.Max)
	}
	room := o.cfg.Limits.MaxAnswer
	if in.MaxBytes > 0 {
		room = min(room, in.MaxBytes)
	}
	o.mu.Lock()
	q, messages, out, err := o.browse(in, most, room)
	if err != nil {
		o.mu.Unlock()
		return BrowseOut{}, err
	}
	commit, err := o.conclude()
	o.abandon(q)
	o.mu.Unlock()
	if err != nil {
		return BrowseOut{}, err
	}
	if n := len(out.Found); n > 0 {
		out.Last = out.Found[n-1].Name
	}
	if in.Bare {
		return out, durable(commit)
	}
	kept := out.Found[:0]
	for i := range messages {
		f := &out.Found[i]
		f.Payload, err = o.payload(ctx, q, &messages[i])
		for byName && errors.Is(err, errGone) {
			// Another may have its name by now.
			if messages[i], commit, err = o.lookAgain(q, f); err == nil {
				f.Payload, err = o.payload(ctx, q, &messages[i])
			} else if errors.Is(err, errGone) {
				break
			}
		}
		switch {
		case errors.Is(err, errGone):
		case err != nil:
			return BrowseOut{}, ErrUnavailable
		default:
			kept = append(kept, *f)
		}
	}
	out.Found = kept
	return out, durable(commit)
}

// browse looks the messages up. Call with mu held.
func (o *Owner) browse(in BrowseIn, most, room int) (q *state.Queue, list []queue.Message, out BrowseOut, err error) {
	if q, _, err = o.open(in.Queue); err != nil {
		return nil, nil, out, err
	}
	add := func(m queue.Message, name state.Name) bool {
		size := int(m.Len) + foundBytes
		if in.Bare {
			size = bareBytes
		}
		if room -= size; room < 0 && len(list) > 0 {
			return false
		}
		list = append(list, m)
		out.Found = append(out.Found, o.found(&m, name))
		return true
	}
	switch {
	case in.Name != state.Name{}:
		if m, ok := q.Named(in.Name); ok {
			add(m, in.Name)
		}
	case in.Named:
		out.More = q.NamedAfter(in.After, most, func(n state.Name, m queue.Message) bool { return add(m, n) })
	default:
		out.Next = q.KeysFrom(in.From, most, func(m queue.Message) bool { return add(m, q.NameOf(m.Key)) })
		out.More = out.Next != 0
	}
	return q, list, out, nil
}

// found is a message without its payload. Call with mu held.
func (o *Owner) found(m *queue.Message, name state.Name) Found {
	return Found{
		Key: m.Key, Name: name, Sent: m.Sent, VisibleAt: m.VisibleAt, InFlight: m.InFlight, Receives: m.Receives,
		Reference: o.st.Note(m).Reference,
	}
}

// lookAgain finds the message that has the name of f now, and the commit that tells
// when what it says is durable. errGone if there is none.
func (o *Owner) lookAgain(q *state.Queue, f *Found) (queue.Message, *journal.Commit, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	commit := o.j.Barrier()
	m, ok := q.Named(f.Name)
	switch {
	case o.closed:
		return m, commit, ErrNotOwner
	case !ok || f.Name == state.Name{}:
		return m, commit, errGone
	}
	*f = o.found(&m, f.Name)
	return m, commit, nil
}

// foundBytes is what a Found takes on the way to another node beside its payload,
// at most.
const foundBytes = 2 << 10

// bareBytes is what one takes in all when it has no payload.
const bareBytes = 512
