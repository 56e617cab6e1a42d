package jet

import "context"

// Cluster is what the nodes of one deployment share: logs, buckets, and the way
// to each other. *Conn is one; the simulation has another, and jettest holds
// both to what stands here. Safe for concurrent use.
//
// Unless a method says otherwise: a call without a deadline in ctx ends by
// itself after Config.AckTimeout; it returns ctx's error when ctx was cancelled,
// and ErrUnavailable when no answer came in time, which leaves open whether the
// call had its effect, or still will.
type Cluster interface {
	// Log opens a stream, or creates it when there is none. One that exists
	// with other settings is left alone: *DriftError.
	Log(ctx context.Context, spec StreamSpec) (Log, error)
	// Bucket opens a bucket, or creates it when there is none. One that exists
	// with other settings is left alone: *DriftError.
	Bucket(ctx context.Context, spec KVSpec) (Bucket, error)

	// Request sends data to whoever serves subject and returns the first
	// answer. ErrNoResponders: nobody serves it, nothing was delivered.
	// ErrTooLarge: data is longer than MaxPayload, nothing was delivered.
	// ErrUnavailable: it may have been delivered, at most once.
	Request(ctx context.Context, subject string, data []byte) ([]byte, error)
	// Publish sends data to everyone who serves subject right now, without an
	// answer; nil says that it was sent, not that it arrived. What one node
	// sends to one subject arrives in order, with gaps where it was lost.
	// Errors: ErrTooLarge, ErrUnavailable.
	Publish(subject string, data []byte) error
	// Serve calls h for every message on subject (* stands for one part
	// between dots, > for the rest), one after another from one goroutine; h
	// must not block. Everyone who serves the subject gets every message. What
	// h cannot keep up with is dropped past a bound, and its sender sees
	// ErrUnavailable. When Serve returns, whoever asks is heard; stop ends it,
	// and a call of h may still be running then.
	Serve(subject string, h func(*Incoming)) (stop func(), err error)

	// Space is the room left for data, some moments ago at most.
	Space(ctx context.Context) (Space, error)
	// MaxPayload is the largest data that an Append, a value, a Request or a
	// Reply can carry, in bytes.
	MaxPayload() int
}

// Log is one sequence of entries, numbered from 1 without gaps. Numbers are
// never used again, also when what had them was removed. Safe for concurrent use.
type Log interface {
	// Append stores data as the entry after expectLast, if that is the last one;
	// 0 for a log that never held anything. It is stored whole or not at all. It
	// returns at once, several may be under way, and they are tried in the order
	// of the calls. data must not be altered any more.
	//
	// done is called exactly once, from another goroutine, at the latest after
	// Config.AckTimeout, in no particular order, and must not block:
	//   - nil: the entry is durable, seq is its number;
	//   - ErrWrongSequence: expectLast was not the last one; not stored by this
	//     attempt;
	//   - ErrFull: no room; not stored;
	//   - ErrTooLarge: more than MaxPayload; not stored;
	//   - ErrUnavailable: not known whether stored. Read before deciding, and mind
	//     that it may still be stored after that read, unless another entry takes
	//     its number;
	//   - another error: refused, not stored.
	Append(data []byte, id string, expectLast uint64, done func(seq uint64, err error))
	// Last is the number of the newest entry there ever was, removed or not; 0 if
	// none. The leader answers.
	Last(ctx context.Context) (uint64, error)
	// Bounds are the numbers of the oldest and the newest entry; first is last+1
	// when the log is empty. The leader answers.
	Bounds(ctx context.Context) (first, last uint64, err error)
	// Get reads one entry. ErrNotFound: the leader has none with this number.
	Get(ctx context.Context, seq uint64) (Entry, error)
	// GetRange reads entries in order and without gaps, beginning with the first
	// whose number is at least from, until maxBytes are reached (the last one may
	// go beyond). At least one is returned if there is any; fewer than there are
	// may be. None and no error: the leader says that there is none.
	GetRange(ctx context.Context, from uint64, maxBytes int) ([]Entry, error)
	// Read calls fn for every entry from from to to, both included, in order. The
	// first may be a later one when the start was removed; after that none may be
	// missing, else ErrNotFound. All removed is no error. An error of fn ends it
	// and is returned as it is. fn may keep the data. ErrUnavailable is returned
	// after some attempts without an answer; fn may have been called by then.
	Read(ctx context.Context, from, to uint64, fn func(Entry) error) error
	// Purge removes every entry with a number below before. It may be done in
	// part when it fails, from the oldest on, and done again.
	Purge(ctx context.Context, before uint64) error
}

// Bucket is a set of keys with values. Each change of it has a revision, higher
// than all before. Changes of one key are atomic and are one sequence; the
// leader answers all but Watch. Keys are parts of letters, digits, - and _
// between single dots. Safe for concurrent use.
type Bucket interface {
	// Get reads a key's newest value. ErrNotFound: it has none.
	Get(ctx context.Context, key string) (KVEntry, error)
	// Create stores a value under a key that has none. ErrExists: it has one,
	// nothing was stored.
	Create(ctx context.Context, key string, value []byte) (revision uint64, err error)
	// Update replaces the value that has the given revision. ErrWrongSequence:
	// that is not the key's newest, nothing was stored.
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Put stores a value whatever stands there.
	Put(ctx context.Context, key string, value []byte) (uint64, error)
	// Delete removes the value that has the given revision, or whatever stands
	// there when revision is 0, and returns the deletion's own revision.
	// ErrWrongSequence: revision is not the key's newest, nothing was removed. A
	// key without a value can be deleted all the same.
	Delete(ctx context.Context, key string, revision uint64) (uint64, error)
	// Watch calls fn for every key that matches pattern (* for one part between
	// dots, > for the rest) and has a value, then initial once, then fn for every
	// change in the order of revisions; several quick changes of one key may come
	// as the last of them. It blocks, and calls fn and initial one at a time from
	// the calling goroutine. Any replica may serve it: what it shows can be older
	// than what Get has shown, also when initial is called. Interruptions are
	// bridged by comparing the whole bucket with what was reported: a key's
	// changes are reported in order, none but the last for sure; after such a
	// comparison keys may come with a lower revision than others before. A
	// deletion found in this way has the highest revision that this watch has
	// seen, and was confirmed by the leader. It returns ctx's error, or ErrClosed.
	Watch(ctx context.Context, pattern string, fn func(KVEntry), initial func()) error
}

var (
	_ Cluster = (*Conn)(nil)
	_ Log     = (*Stream)(nil)
	_ Bucket  = (*KV)(nil)
)

// Log is Stream, as Cluster wants it.
func (c *Conn) Log(ctx context.Context, spec StreamSpec) (Log, error) {
	s, err := c.Stream(ctx, spec)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Bucket is KV, as Cluster wants it.
func (c *Conn) Bucket(ctx context.Context, spec KVSpec) (Bucket, error) {
	kv, err := c.KV(ctx, spec)
	if err != nil {
		return nil, err
	}
	return kv, nil
}
