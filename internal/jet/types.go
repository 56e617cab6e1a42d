package jet

import "time"

// StreamSpec names a stream. Everything else about it is fixed: file storage,
// limits retention without limits, direct reads, Config.Replicas replicas.
type StreamSpec struct {
	// Name of the stream, for example "ws_journal_0". Letters, digits, - and _.
	Name string
	// Subject is the one subject that is stored.
	Subject string
	// Description is shown by NATS tools.
	Description string
}

// KVSpec names a key-value bucket with a history of one.
type KVSpec struct {
	// Bucket name: letters, digits, - and _.
	Bucket string
	// Description is shown by NATS tools.
	Description string
}

// Entry is one stored append.
type Entry struct {
	Seq  uint64
	Time time.Time // when the stream's leader took it in
	ID   string    // as given to Append
	Data []byte
}

// KVEntry is one key's newest value.
type KVEntry struct {
	Key      string
	Value    []byte
	Revision uint64 // rises with every change of the bucket
	Deleted  bool   // only seen by Watch
}

// Space is the room of the store in bytes; both are math.MaxUint64 when there
// is no limit.
type Space struct {
	Free, Total uint64
}
