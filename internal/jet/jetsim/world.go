package jetsim

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// Options of a World. Zero values take the defaults.
type Options struct {
	// Seed of everything that is left to chance.
	Seed uint64
	// MaxPayload in bytes; default 8 MiB less 1 KiB, as the embedded server's.
	MaxPayload int
	// Latency is how long a message travels, up to twice that; default 200 µs.
	Latency time.Duration
	// AckTimeout as in jet.Config; default 5 s. Appends wait 2 s at most.
	AckTimeout time.Duration
	// MarkerLife as in jet.Config; default 1 h.
	MarkerLife time.Duration
	// CutShort is the share, 0 to 1, of removals from logs that are made in part and
	// not answered, as by a server that dies meanwhile: of those which pass a place
	// where entries of another writer begin, where most is at stake. If there is a share
	// at all, each is that passes a place where those of a former writer came in late.
	CutShort float64
	// Cut is told of each such removal, and whose it was; nil: nobody is.
	Cut func(node string)
	// Mixed is told of each append to a log that is stored near those of another
	// writer: before are the ids of the entries before it, the last one first. nil:
	// nobody is.
	Mixed func(log, id string, before []string)
	// Disk is its size in bytes; 0: no limit.
	Disk uint64
}

// World is what all nodes share. Safe for concurrent use.
type World struct {
	opts Options

	mu      sync.Mutex // guards all below, and what hangs on it
	random  *rand.Rand
	logs    map[string]*log
	buckets map[string]*bucket
	served  []*server // in the order of Serve calls
	cuts    map[[2]string]bool
	others  uint64 // bytes of the disk that other programs hold
	slow    time.Duration
	lost    float64 // share of messages between nodes that get lost
}

// New makes a World with nothing in it.
func New(o Options) *World {
	def := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.Latency, 200*time.Microsecond)
	def(&o.AckTimeout, 5*time.Second)
	def(&o.MarkerLife, time.Hour)
	if o.MaxPayload == 0 {
		o.MaxPayload = 8<<20 - 1<<10
	}
	return &World{
		opts: o, random: rand.New(rand.NewPCG(o.Seed, 0x5eed)),
		logs: make(map[string]*log), buckets: make(map[string]*bucket), cuts: make(map[[2]string]bool),
	}
}

// Odds say how often something goes wrong with what reaches a stream or bucket,
// each from 0 to 1.
type Odds struct {
	Lost    float64 // a change is not made, and not answered
	LostAck float64 // it is made, and not answered
	Late    float64 // it is not answered, and made up to LateBy after its sender gave up
	LateBy  time.Duration
	Lag     float64 // a read is served by a replica that lags
}

// trouble is what is wrong with one stream or bucket.
type trouble struct {
	odds     Odds
	noLeader bool
	silent   bool // without a leader nobody answers, instead of a refusal
}

// Store is everything that is kept under a stream's or bucket's name, for
// faults: "ws_journal_0", "ws_leases".
func (w *World) trouble(name string) *trouble {
	if l := w.logs[name]; l != nil {
		return &l.trouble
	}
	if b := w.buckets[name]; b != nil {
		return &b.trouble
	}
	return nil
}

// Names of all streams and buckets there are, sorted.
func (w *World) Names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(func(yield func(string) bool) {
		for n := range w.logs {
			if !yield(n) {
				return
			}
		}
		for n := range w.buckets {
			if !yield(n) {
				return
			}
		}
	})
}

// Trouble sets how unreliable a stream or bucket is; the zero Odds end it. What
// does not exist yet is left alone.
func (w *World) Trouble(name string, o Odds) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.trouble(name); t != nil {
		t.odds = o
	}
}

// LoseLeader takes the leader of one stream or bucket away. Requests to it are
// refused; with silent they are not answered at all.
func (w *World) LoseLeader(name string, silent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.trouble(name); t != nil {
		t.noLeader, t.silent = true, silent
	}
}

// Elect gives a stream or bucket a leader again.
func (w *World) Elect(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.trouble(name); t != nil {
		t.noLeader = false
	}
}

// Cut severs two nodes, by name, from each other, or joins them again.
func (w *World) Cut(a, b string, severed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := [2]string{min(a, b), max(a, b)}
	if severed {
		w.cuts[key] = true
	} else {
		delete(w.cuts, key)
	}
}

// LoseMessages sets the share of messages between nodes that get lost.
func (w *World) LoseMessages(share float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = share
}

// SlowStore makes every change of a log take so much longer.
func (w *World) SlowStore(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow = by
}

// Fill has other programs hold so much of the disk.
func (w *World) Fill(bytes uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.others = bytes
}

// used is what logs and buckets hold. mu is held.
func (w *World) used() (n uint64) {
	for _, l := range w.logs {
		n += uint64(l.bytes)
	}
	for _, b := range w.buckets {
		n += uint64(b.bytes)
	}
	return n
}

// Used is how many bytes logs and buckets hold.
func (w *World) Used() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.used()
}

// space is what is left of the disk. mu is held.
func (w *World) space() jet.Space {
	if w.opts.Disk == 0 {
		return jet.Space{Free: math.MaxUint64, Total: math.MaxUint64}
	}
	return jet.Space{Free: w.opts.Disk - min(w.opts.Disk, w.used()+w.others), Total: w.opts.Disk}
}

// fits reports whether there is room for so many more bytes. mu is held.
func (w *World) fits(bytes int) bool { return w.space().Free >= uint64(bytes) }

// chance reports true with the given probability. mu is held.
func (w *World) chance(p float64) bool { return p > 0 && w.random.Float64() < p }

// delay of one message. mu is held.
func (w *World) delay() time.Duration {
	return w.opts.Latency + time.Duration(w.random.Int64N(int64(w.opts.Latency)+1))
}

// Node makes the way of one run of a node to this World. Names tell nodes apart
// for Cut; a node that starts anew gets a new Node under its old name.
func (w *World) Node(name string) *Node {
	return &Node{w: w, name: name, lag: make(map[string]time.Duration), thawed: closed, dead: make(chan struct{})}
}

// closed is a channel that is.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Subjects that are served right now, sorted, for tests.
func (w *World) Subjects() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make(map[string]bool)
	for _, s := range w.served {
		list[s.pattern] = true
	}
	return slices.Sorted(maps.Keys(list))
}

// matches reports whether a subject (or key) fits a pattern with wildcards.
func matches(pattern, subject string) bool {
	for {
		p, restP, moreP := strings.Cut(pattern, ".")
		s, restS, moreS := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return true
		case p != "*" && p != s:
			return false
		case !moreP || !moreS:
			return moreP == moreS
		}
		pattern, subject = restP, restS
	}
}

// failed puts the words around an error that jet puts there.
func failed(verb, name string, err error) error {
	return fmt.Errorf("jetsim: %s %s: %w", verb, name, err)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
