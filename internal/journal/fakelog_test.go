package journal

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// fault says what the fake log does with one append.
type fault int

const (
	works       fault = iota
	unreachable       // not stored, answer: unavailable
	lostAnswer        // stored, answer: unavailable
	late              // answer: unavailable; tried once the next append was, as if it had been held up on its way
	full              // not stored, answer: full
	broken            // not stored, some other error
)

// fakeLog is a Log in memory, whose appends are carried out by one goroutine and answered by another, and
// which can be told to misbehave.
type fakeLog struct {
	mu      sync.Mutex
	first   uint64
	entries []jet.Entry // first, first+1, …
	delayed []request
	purges  []uint64
	ranges  int // GetRange calls
	gets    int // Get calls

	// Faults; set before use, called with mu held.
	onAppend func(id string) fault
	onGet    func(seq uint64) error
	lagging  bool // GetRange brings nothing

	hold    chan struct{} // when not nil, answers wait until it is closed
	in, out chan request
}

type request struct {
	data   []byte
	id     string
	expect uint64
	done   func(uint64, error)
	hold   chan struct{}
	seq    uint64
	err    error
}

func newFakeLog(t testing.TB) *fakeLog {
	l := &fakeLog{first: 1, in: make(chan request, 1024), out: make(chan request, 1024)}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for r := range l.in {
			l.out <- l.carryOut(r)
		}
		close(l.out)
	})
	tasks.Go(func() {
		for r := range l.out {
			if r.hold != nil {
				<-r.hold
			}
			r.done(r.seq, r.err)
		}
	})
	t.Cleanup(func() { close(l.in); tasks.Wait() })
	return l
}

func (l *fakeLog) Append(data []byte, id string, expect uint64, done func(uint64, error)) {
	l.in <- request{data: data, id: id, expect: expect, done: done}
}

func (l *fakeLog) carryOut(r request) request {
	l.mu.Lock()
	defer l.mu.Unlock()
	what := works
	if l.onAppend != nil {
		what = l.onAppend(r.id)
	}
	switch what {
	case works:
		r.seq, r.err = l.store(r)
	case unreachable:
		r.err = jet.ErrUnavailable
	case lostAnswer:
		l.store(r)
		r.err = jet.ErrUnavailable
	case late:
		l.delayed = append(l.delayed, r)
		r.err = jet.ErrUnavailable
	case full:
		r.err = jet.ErrFull
	case broken:
		r.err = context.DeadlineExceeded
	}
	if what != late {
		for _, d := range l.delayed {
			l.store(d)
		}
		l.delayed = nil
	}
	r.hold = l.hold
	return r
}

func (l *fakeLog) last() uint64 { return l.first + uint64(len(l.entries)) - 1 }

func (l *fakeLog) store(r request) (uint64, error) {
	if r.expect != l.last() {
		return 0, jet.ErrWrongSequence
	}
	l.entries = append(l.entries, jet.Entry{Seq: l.last() + 1, ID: r.id, Time: time.Now(), Data: append([]byte(nil), r.data...)})
	return l.last(), nil
}

// intrude stores an entry of somebody else. mu is held.
func (l *fakeLog) intrude(writer string, number uint64, must byte, records ...string) uint64 {
	seq, _ := l.store(request{data: build(writer, number, must, records...), id: entryID(writer, number), expect: l.last()})
	return seq
}

// build makes an append.
func build(writer string, number uint64, must byte, records ...string) []byte {
	buf := appendHeader(nil, writer, number, must)
	for _, r := range records {
		buf, _ = appendRecord(buf, []byte(r))
	}
	seal(buf, len(records))
	return buf
}

func (l *fakeLog) Last(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last(), nil
}

func (l *fakeLog) Bounds(context.Context) (uint64, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.last(), nil
}

func (l *fakeLog) Get(_ context.Context, seq uint64) (jet.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gets++
	if l.onGet != nil {
		if err := l.onGet(seq); err != nil {
			return jet.Entry{}, err
		}
	}
	if seq < l.first || seq > l.last() {
		return jet.Entry{}, jet.ErrNotFound
	}
	return l.copyOf(seq), nil
}

func (l *fakeLog) copyOf(seq uint64) jet.Entry {
	e := l.entries[seq-l.first]
	e.Data = append([]byte(nil), e.Data...)
	return e
}

func (l *fakeLog) GetRange(_ context.Context, from uint64, maxBytes int) ([]jet.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ranges++
	if l.lagging {
		return nil, nil
	}
	var out []jet.Entry
	for seq, sum := max(from, l.first), 0; seq <= l.last(); seq++ {
		e := l.copyOf(seq)
		if sum += len(e.Data); sum > maxBytes && len(out) > 0 {
			break
		}
		out = append(out, e)
	}
	return out, nil
}

func (l *fakeLog) Read(ctx context.Context, from, to uint64, fn func(jet.Entry) error) error {
	for seq := from; seq <= to; seq++ {
		l.mu.Lock()
		if seq < l.first {
			seq = l.first
		}
		if seq > l.last() {
			l.mu.Unlock()
			return nil
		}
		e := l.copyOf(seq)
		l.mu.Unlock()
		if err := fn(e); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (l *fakeLog) Purge(_ context.Context, before uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.purges = append(l.purges, before)
	if before > l.first {
		n := min(before-l.first, uint64(len(l.entries)))
		l.entries = l.entries[n:]
		l.first += n
	}
	return nil
}

// firstEntry is the number of the oldest entry.
func (l *fakeLog) firstEntry() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

// set changes the log's behaviour.
func (l *fakeLog) set(change func(*fakeLog)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}
