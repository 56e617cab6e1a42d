package journal

import (
	"context"
	"time"
)

// Pos is the place of bytes in the log.
type Pos struct {
	Append uint64 // stream sequence of the append
	Offset uint32 // byte offset within the append's data; for a record: of its body
}

// Log is what a Journal stands on: one stream with a compare-and-set append. *jet.Stream is one.
type Log interface {
	// Append stores data as the entry after expectLast, or not at all. It returns at once; several may be
	// under way and are tried in the order of the calls. done is called exactly once, from another
	// goroutine. data must not be altered any more.
	Append(data []byte, id string, expectLast uint64, done func(seq uint64, err error))
	// Last is the last sequence ever given, as the log's leader knows it.
	Last(ctx context.Context) (uint64, error)
	// Bounds are the first sequence still stored and the last one given; first is last+1 if none is stored.
	Bounds(ctx context.Context) (first, last uint64, err error)
	// Get reads one entry; jet.ErrNotFound only if the leader has none.
	Get(ctx context.Context, seq uint64) (Entry, error)
	// GetRange reads entries in order, starting with the first one at or after from, until maxBytes are
	// reached. It may return fewer or none, such as when a replica lags.
	GetRange(ctx context.Context, from uint64, maxBytes int) ([]Entry, error)
	// Read calls fn for every entry from..to in order.
	Read(ctx context.Context, from, to uint64, fn func(Entry) error) error
	// Purge removes every entry before the given one.
	Purge(ctx context.Context, before uint64) error
}

// Progress says how far a replay has come.
type Progress struct {
	Entries      uint64 // entries replayed
	TotalEntries uint64 // entries there are to replay
	Records      uint64 // records replayed
	Bytes        uint64 // bytes replayed
	Elapsed      time.Duration
}

// Stored is a record as it stands in the log. Rec is shared and must not be altered.
type Stored struct {
	Pos Pos
	Rec []byte
}

// Stats is a snapshot of a journal's figures.
type Stats struct {
	First, Last   uint64 // first append that may hold something live, last durable append
	Appends       uint64 // appends made durable by this journal
	Records       uint64 // records in them
	AppendedBytes uint64 // bytes in them
	Bytes         int64  // bytes of the log from First on
	LiveItems     int64  // Retain calls less Release calls
	LiveBytes     int64  // bytes that live items need
	GarbageBytes  int64  // Bytes less LiveBytes
	PendingBytes  int64  // bytes not yet durable
	InFlight      int    // appends published and not acknowledged
	CacheBytes    int64  // bytes held by the cache
	CacheHits     uint64 // reads answered from memory
	CacheMisses   uint64 // reads that had to wait for the log
	Trimmed       uint64 // appends removed from the log by this journal
	StaleEntries  uint64 // entries found at replay that a former owner had stored too late to count
}
