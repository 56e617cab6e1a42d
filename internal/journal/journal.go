package journal

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/logkey"
)

// Pos is the place of bytes in the log.
type Pos struct {
	Append uint64 // stream sequence of the append
	Offset uint32 // byte offset within the append's data; for a record: of its body
}

// Log is what a Journal stands on: one stream with a compare-and-set append.
type Log = jet.Log

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

// state of a journal. It only moves forward.
type state int

const (
	fresh    state = iota // nothing happened yet
	claiming              // Claim is under way
	open                  // appends are taken
	stopping              // Run was stopped: what is pending is stored, nothing more is taken
	dead                  // err says why
)

// Journal is a fenced, group-committed log with one owner. Its methods may be called from several
// goroutines; the order of Append calls, which the owner's own mutex makes, is the order of the log.
type Journal struct {
	cfg       Config
	maxBytes  int // largest append
	headerLen int

	cache cache
	ring  ring
	reads reads

	wake    chan struct{} // capacity 1: the writer has something to look at
	trim    chan struct{} // capacity 1: the trimmer has
	rewrite chan struct{} // capacity 1
	hurry   chan struct{} // capacity 1: rewriting waits for the trimmer
	failed  chan struct{} // closed on failure

	durable atomic.Uint64 // last append known to be durable, with all before it

	appends, records, written, trimmed, stale atomic.Uint64

	// mu guards what follows. Never held while the log or a hook is called. cache.mu and ring.mu are
	// taken inside it.
	mu           sync.Mutex
	state        state
	running      bool
	err          error    // why state is dead
	gather       *batch   // being gathered; nil when none
	pending      []*batch // sealed and not durable, in order: the first sent of them are published
	sent         int
	inFlight     int // published and not answered
	pendingBytes int
	nextSeq      uint64 // of the next batch to be gathered
	nextNumber   uint64
	typical      int // bytes of recent batches, the first guess at the next one's size
	troubleSince time.Time
	backoff      time.Duration
}

// New makes a Journal. It starts nothing and touches nothing: call Claim, then Run.
func New(c Config) (*Journal, error) {
	cfg, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	j := &Journal{
		cfg:       cfg,
		maxBytes:  cfg.MaxPayload - envelope,
		headerLen: headerLen(cfg.Writer),
		wake:      make(chan struct{}, 1),
		trim:      make(chan struct{}, 1),
		rewrite:   make(chan struct{}, 1),
		hurry:     make(chan struct{}, 1),
		failed:    make(chan struct{}),
	}
	j.cache.limit = int64(cfg.CacheBytes)
	j.ring.floor = cfg.RewriteFloor
	j.reads.init()
	return j, nil
}

// Failed is closed when the journal has failed: it was fenced, the log is full or cannot be reached, or
// what it holds is not what was written. A clean stop does not close it.
func (j *Journal) Failed() <-chan struct{} { return j.failed }

// Err says why the journal takes no appends: nil while it does, ErrClosed before Claim and after a clean
// stop, otherwise why it failed.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.refusal()
}

// refusal is why nothing can be appended. mu is held.
func (j *Journal) refusal() error {
	switch j.state {
	case open:
		return nil
	case dead:
		return j.err
	default:
		return ErrClosed
	}
}

// fail ends the journal: everything pending fails with err. With ErrClosed it is the end of a clean stop.
// Only the first call counts.
func (j *Journal) fail(err error) {
	j.mu.Lock()
	if j.state == dead {
		j.mu.Unlock()
		return
	}
	j.state, j.err = dead, err
	lost := j.pending
	if j.gather != nil {
		lost = append(lost, j.gather)
	}
	j.pending, j.gather, j.sent, j.inFlight, j.pendingBytes = nil, nil, 0, 0, 0
	j.mu.Unlock()

	if !errors.Is(err, ErrClosed) {
		close(j.failed)
	}
	for _, b := range lost {
		b.commit.finish(err)
	}
	signal(j.wake)
}

// Keys of log lines.
const (
	keyResource = logkey.Resource
	keyError    = logkey.Error
)

// signal leaves a note in a channel of capacity 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
