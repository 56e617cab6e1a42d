package jetsim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// envelope is what an entry takes on the disk besides its data, in bytes.
const envelope = 64

// log is a stored stream. World.mu guards it.
type log struct {
	w             *World
	name, subject string
	trouble       trouble
	first         uint64      // of entries
	entries       []jet.Entry // first, first+1, …
	bytes         int
	damaged       map[uint64][]byte // entries that were altered, as they were
}

func (l *log) last() uint64 { return l.first + uint64(len(l.entries)) - 1 }

func (l *log) get(seq uint64) (jet.Entry, error) {
	if seq < l.first || seq > l.last() {
		return jet.Entry{}, jet.ErrNotFound
	}
	return l.entries[seq-l.first], nil
}

func (l *log) store(data []byte, id string, expect uint64) (uint64, error) {
	switch {
	case !l.w.fits(len(data) + envelope):
		return 0, jet.ErrFull
	case expect != l.last():
		return 0, fmt.Errorf("%w: %d", jet.ErrWrongSequence, l.last())
	}
	l.entries = append(l.entries, jet.Entry{Seq: expect + 1, Time: time.Now(), ID: id, Data: data})
	l.bytes += len(data) + envelope
	if told := l.w.opts.Mixed; told != nil {
		if before := l.before(len(l.entries) - 1); slices.ContainsFunc(before, func(b string) bool { return writerOf(b) != writerOf(id) }) {
			time.AfterFunc(0, func() { told(l.name, id, before) }) // w.mu is held
		}
	}
	return expect + 1, nil
}

func (l *log) purge(before uint64) {
	if before <= l.first {
		return
	}
	n := min(before-l.first, uint64(len(l.entries)))
	for _, e := range l.entries[:n] {
		l.bytes -= len(e.Data) + envelope
	}
	l.entries = slices.Clone(l.entries[n:])
	l.first += n
}

// near is how many entries before one are looked at: more than are ever under way.
const near = 16

// before lists the ids of the entries before entry i that are near, the last one first.
func (l *log) before(i int) (ids []string) {
	for k := i - 1; k >= max(i-near, 0); k-- {
		ids = append(ids, l.entries[k].ID)
	}
	return ids
}

// late reports whether entry i came in behind those of another writer, though its own
// writer stored some shortly before them.
func (l *log) late(i int) bool {
	own := writerOf(l.entries[i].ID)
	return i > 0 && writerOf(l.entries[i-1].ID) != own &&
		slices.ContainsFunc(l.before(i), func(b string) bool { return writerOf(b) == own })
}

// seam is one of the sequences before a given one at which the entries of another
// writer begin; one at which they came in late, if there is one. What stands before the
// slash of an id is its writer.
func (l *log) seam(before uint64) (seq uint64, late, ok bool) {
	var all, lates []uint64
	for i := 1; i < len(l.entries) && l.entries[i].Seq < before; i++ {
		if writerOf(l.entries[i-1].ID) == writerOf(l.entries[i].ID) {
			continue
		}
		all = append(all, l.entries[i].Seq)
		if l.late(i) {
			lates = append(lates, l.entries[i].Seq)
		}
	}
	if len(lates) > 0 {
		all = lates
	}
	if len(all) == 0 {
		return 0, false, false
	}
	return all[l.w.random.IntN(len(all))], len(lates) > 0, true
}

func writerOf(id string) string { return id[:strings.LastIndexByte(id, '/')+1] }

// Bounds of a log as it is stored; ok is false when there is none of that name.
func (w *World) Bounds(log string) (first, last uint64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.logs[log]
	if l == nil {
		return 0, 0, false
	}
	return l.first, l.last(), true
}

// Damage alters a stored entry: it is cut after so many bytes, or, if it is not
// that long or cut is negative, one bit of it is flipped. repair puts back what
// stood there before any damage, if it was not removed meanwhile. ok is false when there is no such
// entry.
func (w *World) Damage(log string, seq uint64, cut int) (repair func(), ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.logs[log]
	if l == nil {
		return nil, false
	}
	e, err := l.get(seq)
	if err != nil || len(e.Data) == 0 {
		return nil, false
	}
	bad := slices.Clone(e.Data)
	if cut >= 0 && cut < len(bad) {
		bad = bad[:cut]
	} else {
		bad[w.random.IntN(len(bad))] ^= 1 << w.random.IntN(8)
	}
	if l.damaged == nil {
		l.damaged = make(map[uint64][]byte)
	}
	if l.damaged[seq] == nil {
		l.damaged[seq] = e.Data
	}
	l.set(seq, bad)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if whole := l.damaged[seq]; whole != nil {
			l.set(seq, whole)
			delete(l.damaged, seq)
		}
	}, true
}

// CutTail takes from a log what was stored after a time, and the last entry before:
// taken says how many entries. back puts them back, in place of added ones that were
// stored since.
func (w *World) CutTail(log string, after time.Time) (back func() (added int), taken int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.logs[log]
	if l == nil || len(l.entries) == 0 {
		return func() int { return 0 }, 0
	}
	n := len(l.entries) - 1
	for n > 0 && l.entries[n].Time.After(after) {
		n--
	}
	if l.entries[n].Time.After(after) {
		return func() int { return 0 }, 0
	}
	tail := slices.Clone(l.entries[n:])
	l.truncate(n)
	return func() (added int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if l.first > tail[0].Seq {
			return len(l.entries) // even trimmed
		}
		keep := int(tail[0].Seq - l.first)
		added = len(l.entries) - keep
		l.truncate(keep)
		for _, e := range tail {
			l.entries = append(l.entries, e)
			l.bytes += len(e.Data) + envelope
		}
		return added
	}, len(tail)
}

// truncate leaves the first n entries.
func (l *log) truncate(n int) {
	for _, e := range l.entries[n:] {
		l.bytes -= len(e.Data) + envelope
	}
	l.entries = l.entries[:n:n]
}

// set replaces an entry's data, if it is there.
func (l *log) set(seq uint64, data []byte) {
	if seq < l.first || seq > l.last() {
		return
	}
	e := &l.entries[seq-l.first]
	l.bytes += len(data) - len(e.Data)
	e.Data = data
}

// logOf is a node's way to a log.
type logOf struct {
	n   *Node
	log *log

	// sending are appends on their way, in order. World.mu guards them.
	sending []*sent
	arrives time.Time // of the last of them
}

// sent is an append on its way.
type sent struct {
	data   []byte
	id     string
	expect uint64
	done   func(uint64, error)
}

// appendTimeout is how long an append waits for its answer.
func (n *Node) appendTimeout() time.Duration { return min(n.w.opts.AckTimeout, 2*time.Second) }

// Append is jet.Log's.
func (l *logOf) Append(data []byte, id string, expectLast uint64, done func(uint64, error)) {
	w := l.n.w
	if len(data) > w.opts.MaxPayload {
		go done(0, failed("append to", l.log.name, jet.ErrTooLarge))
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	l.sending = append(l.sending, &sent{data: data, id: id, expect: expectLast, done: done})
	at := time.Now().Add(w.delay() + l.n.slow + w.slow)
	if at.Before(l.arrives) {
		at = l.arrives
	}
	l.arrives = at
	time.AfterFunc(time.Until(at), l.arrive)
}

// arrive carries out the append that was sent first.
func (l *logOf) arrive() {
	n, w, t := l.n, l.n.w, &l.log.trouble
	w.mu.Lock()
	s := l.sending[0]
	l.sending = l.sending[1:]
	silence := func() { time.AfterFunc(n.appendTimeout(), func() { l.answer(s, 0, unanswered(l.log.name)) }) }
	switch {
	case n.killed, n.cut, n.frozen, t.noLeader && t.silent, w.chance(t.odds.Lost):
		// Whether a frozen node's append was still sent is a matter of a moment:
		// those under way when it froze were not.
		silence()
	case t.noLeader:
		w.mu.Unlock()
		l.answer(s, 0, failed("append to", l.log.name, fmt.Errorf("%w: no leader", jet.ErrUnavailable)))
		return
	case w.chance(t.odds.Late):
		silence()
		by := n.appendTimeout() + time.Duration(w.random.Int64N(int64(t.odds.LateBy)+1))
		time.AfterFunc(by, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if !t.noLeader {
				_, _ = l.log.store(s.data, s.id, s.expect)
			}
		})
	default:
		seq, err := l.log.store(s.data, s.id, s.expect)
		if w.chance(t.odds.LostAck) {
			silence()
			break
		}
		d := w.delay() + n.slow
		if err == nil && w.chance(0.8) {
			d = 0 // most answers come as soon as they can: a timer saved
		}
		if d > 0 {
			time.AfterFunc(d, func() { l.answer(s, seq, err) })
			break
		}
		w.mu.Unlock()
		l.answer(s, seq, err)
		return
	}
	w.mu.Unlock()
}

func unanswered(name string) error {
	return failed("append to", name, fmt.Errorf("%w: no acknowledgement", jet.ErrUnavailable))
}

// answer brings the outcome to the one who sent it, once it can hear it.
func (l *logOf) answer(s *sent, seq uint64, err error) {
	if l.n.Awake(context.Background()) != nil {
		seq, err = 0, unanswered(l.log.name)
	}
	s.done(seq, err)
}

// Last is jet.Log's.
func (l *logOf) Last(ctx context.Context) (uint64, error) {
	_, last, err := l.Bounds(ctx)
	return last, err
}

// Bounds is jet.Log's.
func (l *logOf) Bounds(ctx context.Context) (first, last uint64, err error) {
	err = l.n.visit(ctx, &l.log.trouble, false, func() error {
		first, last = l.log.first, l.log.last()
		return nil
	})
	if err != nil {
		return 0, 0, failed("state of", l.log.name, err)
	}
	return first, last, nil
}

// Get is jet.Log's.
func (l *logOf) Get(ctx context.Context, seq uint64) (e jet.Entry, err error) {
	err = l.n.visit(ctx, &l.log.trouble, false, func() error {
		e, err = l.log.get(seq)
		return err
	})
	if err != nil {
		return jet.Entry{}, failed("read", fmt.Sprintf("entry %d of %s", seq, l.log.name), err)
	}
	return e, nil
}

// maxBatch bounds the entries of one GetRange.
const maxBatch = 16384

// GetRange is jet.Log's.
func (l *logOf) GetRange(ctx context.Context, from uint64, maxBytes int) (list []jet.Entry, err error) {
	w := l.n.w
	err = l.n.visit(ctx, &l.log.trouble, false, func() error {
		from = max(from, l.log.first)
		size := 0
		for seq := from; seq <= l.log.last() && size < max(maxBytes, 1) && len(list) < maxBatch; seq++ {
			e := l.log.entries[seq-l.log.first]
			list = append(list, e)
			size += len(e.Data) + envelope
		}
		if len(list) > 1 && w.chance(l.log.trouble.odds.Lag) {
			list = list[:1+w.random.IntN(len(list)-1)]
		}
		return nil
	})
	if err != nil {
		return nil, failed("read", l.log.name, err)
	}
	return list, nil
}

// readAttempts is how often in a row Read asks without an answer.
const readAttempts = 4

// Read is jet.Log's.
func (l *logOf) Read(ctx context.Context, from, to uint64, fn func(jet.Entry) error) error {
	missing := func(seq uint64) error {
		return failed("read", fmt.Sprintf("entry %d of %s", seq, l.log.name), jet.ErrNotFound)
	}
	started := false
	for next, failures := from, 0; next <= to; {
		list, err := l.GetRange(ctx, next, 1<<20)
		if err != nil {
			if failures++; failures < readAttempts && ctx.Err() == nil {
				continue
			}
			return err
		}
		failures = 0
		if len(list) == 0 {
			first, _, err := l.Bounds(ctx)
			if err != nil {
				return err
			}
			if first > to && !started {
				return nil
			}
			return missing(next)
		}
		for _, e := range list {
			if e.Seq > to {
				if started {
					return missing(next)
				}
				return nil
			}
			if started && e.Seq != next {
				return missing(next)
			}
			started, next = true, e.Seq+1
			if err := fn(e); err != nil {
				return err
			}
			if next > to {
				break
			}
		}
	}
	return ctx.Err()
}

// Purge is jet.Log's.
func (l *logOf) Purge(ctx context.Context, before uint64) error {
	cut := false
	err := l.n.visit(ctx, &l.log.trouble, true, func() error {
		share := l.n.w.opts.CutShort
		at, late, ok := l.log.seam(before)
		if late && share > 0 {
			share = 1
		}
		if ok && l.n.w.chance(share) {
			cut, before = true, at
		}
		l.log.purge(before)
		return nil
	})
	if err == nil && cut {
		if told := l.n.w.opts.Cut; told != nil {
			told(l.n.name)
		}
		err = l.n.silence(ctx)
	}
	if err != nil {
		return failed("purge", l.log.name, err)
	}
	return nil
}
