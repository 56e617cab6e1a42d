package state

import (
	"encoding/binary"
	"fmt"

	"github.com/waystation/waystation/internal/queue"
)

// Time is Unix time in milliseconds, as the partition's owner keeps it.
type Time = queue.Time

// Pos is the place of bytes in the log.
type Pos struct {
	Append uint64
	Offset uint32
}

// Log is told what must stay in the log: items of an append, and the bytes that all
// of them need. Each item is given back by itself, in all with the same bytes.
type Log interface {
	Retain(append uint64, items, bytes int)
	Release(append uint64, bytes int)
}

// What counts as live beside payloads, in bytes of the log.
const (
	markBytes  = 64
	dedupBytes = 64
	placeBytes = 20 // about what a place takes in the log, at least
)

// Kind says what a queue is for. Kinds from FirstService on belong to services,
// which give them their terms.
type Kind uint8

const (
	// KindQueue is a queue with a definition in the registry; ID is its id.
	KindQueue Kind = 0
	// KindOutbox holds what waits to be taken in by the partition numbered ID.
	KindOutbox Kind = 1
	// kindDropped has one queue, 0, in which nothing ever stands: its next key is above
	// those of all queues of services that were dropped.
	kindDropped Kind = 2
	// FirstService is the first kind that services may use.
	FirstService Kind = 16
)

// Ref names a queue within its partition.
type Ref struct {
	Kind Kind   `cbor:"1,keyasint,omitempty"`
	ID   uint64 `cbor:"2,keyasint"`
}

// Outbox of the messages for a partition.
func Outbox(partition uint32) Ref { return Ref{Kind: KindOutbox, ID: uint64(partition)} }

func (r Ref) String() string {
	switch r.Kind {
	case KindQueue:
		return fmt.Sprintf("queue %x", r.ID)
	case KindOutbox:
		return fmt.Sprintf("outbox to partition %d", r.ID)
	}
	return fmt.Sprintf("queue %x of kind %d", r.ID, r.Kind)
}

func putRef(b []byte, r Ref) []byte {
	b = append(b, byte(r.Kind))
	return binary.LittleEndian.AppendUint64(b, r.ID)
}

// Target is a queue with the partition on which it lies.
type Target struct {
	Partition uint32 `cbor:"1,keyasint,omitempty"`
	Queue     Ref    `cbor:"2,keyasint"`
}

// Terms are what holds for the messages of a queue.
type Terms struct {
	FIFO        bool  // fixed for the life of the queue
	Retention   int64 // milliseconds; 0: forever
	MaxInFlight int32 // 0: the default of package queue
	// MaxReceives is how often a message is received before it goes to Dead, or
	// is removed if Discard is set; 0: no end. It needs one of the two.
	MaxReceives int32
	Dead        *Target
	Discard     bool
	// DeadFIFO says whether Dead is a FIFO queue, DeadRevision is one of its
	// definition.
	DeadFIFO     bool
	DeadRevision uint64
	// Name of this queue, kept with what leaves it for Dead.
	Name string
}

func (t *Terms) config() queue.Config {
	c := queue.Config{FIFO: t.FIFO, Retention: t.Retention, MaxInFlight: int(t.MaxInFlight)}
	if t.Dead != nil || t.Discard {
		c.MaxReceives = int(t.MaxReceives)
	}
	return c
}

// Note is what is kept of a message beside its state.
type Note struct {
	// Source is the name of the queue that a dead letter came from, and
	// Receives how often it had been received by then.
	Source   string `cbor:"1,keyasint,omitempty"`
	Receives uint32 `cbor:"2,keyasint,omitempty"`
	// Reference is the poster's own, at most MaxReference bytes.
	Reference string `cbor:"3,keyasint,omitempty"`
}

// MaxReference bounds Note.Reference, in bytes.
const MaxReference = 256

// Name is a hash of the name under which a message can be replaced or cancelled.
type Name = queue.DedupID
