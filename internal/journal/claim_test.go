package journal

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// oddLog is a log whose answers a test can replace. A hook that is nil, or
// returns false, leaves an answer as it is.
type oddLog struct {
	*fakeLog
	onLast   func() (error, bool)
	onBounds func(n int) (first, last uint64, err error, replaced bool) // n counts calls from 1
	onRead   func(ctx context.Context, from, to uint64, fn func(jet.Entry) error) (error, bool)
	onDone   func(seq uint64, err error) (uint64, error)
	bounds   int
}

func (l *oddLog) Last(ctx context.Context) (uint64, error) {
	if l.onLast != nil {
		if err, replaced := l.onLast(); replaced {
			return 0, err
		}
	}
	return l.fakeLog.Last(ctx)
}

func (l *oddLog) Bounds(ctx context.Context) (uint64, uint64, error) {
	l.bounds++
	if l.onBounds != nil {
		if first, last, err, replaced := l.onBounds(l.bounds); replaced {
			return first, last, err
		}
	}
	return l.fakeLog.Bounds(ctx)
}

func (l *oddLog) Read(ctx context.Context, from, to uint64, fn func(jet.Entry) error) error {
	if l.onRead != nil {
		if err, replaced := l.onRead(ctx, from, to, fn); replaced {
			return err
		}
	}
	return l.fakeLog.Read(ctx, from, to, fn)
}

func (l *oddLog) Append(data []byte, id string, expect uint64, done func(uint64, error)) {
	l.fakeLog.Append(data, id, expect, func(seq uint64, err error) {
		if l.onDone != nil {
			seq, err = l.onDone(seq, err)
		}
		done(seq, err)
	})
}

var errOdd = errors.New("something odd")

func TestClaimOnce(t *testing.T) {
	t.Parallel()
	o := prepare(t, newFakeLog(t))
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	if err := o.claim(t); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a second Claim: %v", err)
	}
	o = prepare(t, newFakeLog(t))
	if err := o.Claim(t.Context(), func(Pos, []byte) error { return nil }, func(Progress) {
		if err := o.claim(t); err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("a Claim during another: %v", err)
		}
	}); err != nil {
		t.Error(err)
	}
}

// A claim that fails says of which log, and why; the journal is of no use then.
func TestClaimFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set  func(l *oddLog)
		want error // nil: a CorruptError
	}{
		"the last entry is not told": {func(l *oddLog) { l.onLast = func() (error, bool) { return errOdd, true } }, errOdd},
		"nor after the first try": {func(l *oddLog) {
			n := 0
			l.onLast = func() (error, bool) { n++; return errOdd, n > 1 }
			l.onAppend = func(string) fault { l.intrude("old", 9, 0, "x"); return works }
		}, errOdd},
		"a fence is refused": {func(l *oddLog) { l.onAppend = func(string) fault { return broken } }, context.DeadlineExceeded},
		"there is no room":   {func(l *oddLog) { l.onAppend = func(string) fault { return full } }, ErrFull},
		"a fence is stored elsewhere": {func(l *oddLog) {
			l.onDone = func(seq uint64, err error) (uint64, error) { return seq + 1, err }
		}, nil},
		"what became of a fence is not told": {func(l *oddLog) {
			l.onAppend = func(string) fault { return lostAnswer }
			l.onGet = func(uint64) error { return errOdd }
		}, errOdd},
		"another goes on writing": {func(l *oddLog) {
			l.onAppend = func(string) fault { l.intrude("old", 9, 0, "x"); return works }
		}, ErrFenced},
		"another claims it too": {func(l *oddLog) {
			n := 0
			l.onAppend = func(string) fault {
				if n++; n == 2 {
					l.intrude("rival", 0, flagFence)
				}
				return works
			}
		}, ErrFenced},
		"another claimed and trimmed it": {func(l *oddLog) {
			n := 0
			l.onAppend = func(string) fault {
				if n++; n == 2 {
					l.intrude("rival", 0, flagFence)
					l.intrude("rival", 1, flagFence)
					l.intrude("rival", 2, flagFence)
					l.first, l.entries = l.last(), l.entries[len(l.entries)-1:]
				}
				return works
			}
		}, ErrFenced},
		"what stands where a fence should cannot be read": {func(l *oddLog) {
			n := 0
			l.onAppend = func(string) fault {
				if n++; n == 2 {
					l.store(request{data: []byte("junk"), id: "x", expect: l.last()})
				}
				return works
			}
		}, nil},
		"nor told": {func(l *oddLog) {
			n, gets := 0, 0
			l.onAppend = func(string) fault {
				if n++; n == 2 {
					l.intrude("old", 9, 0)
				}
				return works
			}
			l.onGet = func(uint64) error {
				if gets++; gets > 1 { // the first one finds out what became of the fence
					return errOdd
				}
				return nil
			}
		}, errOdd},
		"the bounds are not told": {func(l *oddLog) {
			l.onBounds = func(int) (uint64, uint64, error, bool) { return 0, 0, errOdd, true }
		}, errOdd},
		"the first entries cannot be read": {func(l *oddLog) {
			l.onRead = func(context.Context, uint64, uint64, func(jet.Entry) error) (error, bool) { return errOdd, true }
		}, errOdd},
		"the end is missing": {func(l *oddLog) {
			l.onRead = func(ctx context.Context, from, to uint64, fn func(jet.Entry) error) (error, bool) {
				return l.fakeLog.Read(ctx, from, min(to, 5), fn), true
			}
		}, nil},
		"the end is missing, and it is not told why": {func(l *oddLog) {
			l.onRead = func(ctx context.Context, from, to uint64, fn func(jet.Entry) error) (error, bool) {
				return l.fakeLog.Read(ctx, from, min(to, 5), fn), true
			}
			l.onBounds = func(n int) (uint64, uint64, error, bool) { return 99, 99, errOdd, n > 1 }
		}, nil},
		"all was trimmed meanwhile": {func(l *oddLog) {
			l.onRead = func(ctx context.Context, from, to uint64, fn func(jet.Entry) error) (error, bool) {
				return l.fakeLog.Read(ctx, from, min(to, 5), fn), true
			}
			l.onBounds = func(n int) (uint64, uint64, error, bool) { return 7, 99, nil, n > 1 }
		}, ErrTrimmed},
		"just the part that was read was trimmed": {func(l *oddLog) {
			l.onRead = func(ctx context.Context, from, to uint64, fn func(jet.Entry) error) (error, bool) {
				return l.fakeLog.Read(ctx, from, min(to, 5), fn), true
			}
			l.onBounds = func(n int) (uint64, uint64, error, bool) { return 6, 99, nil, n > 1 }
		}, nil},
		"a hole, and the bounds are not told": {func(l *oddLog) {
			l.onRead = func(ctx context.Context, from, to uint64, fn func(jet.Entry) error) (error, bool) {
				return l.fakeLog.Read(ctx, max(from, 3), to, fn), true
			}
			l.onBounds = func(n int) (uint64, uint64, error, bool) { return 0, 0, errOdd, n > 1 }
		}, errOdd},
		"entries come twice": {func(l *oddLog) {
			l.onRead = func(ctx context.Context, from, to uint64, fn func(jet.Entry) error) (error, bool) {
				if err := l.fakeLog.Read(ctx, from, 3, fn); err != nil {
					return err, true
				}
				return l.fakeLog.Read(ctx, 2, to, fn), true
			}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &oddLog{fakeLog: newFakeLog(t)}
				log.intrude("old", 0, flagFence)
				for i := range uint64(6) {
					log.intrude("old", i+1, 0, "x")
				}
				test.set(log)
				o := prepare(t, log)
				err := o.claim(t)
				if test.want == nil && corrupt(err) == nil && name != "a fence is stored elsewhere" || test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("claim: %v, want %v", err, test.want)
				}
				if err == nil || !strings.HasPrefix(err.Error(), "claim test: ") {
					t.Fatalf("it does not say of which log: %v", err)
				}
				if got := o.failure(t); got != err {
					t.Errorf("failed with %v", got)
				}
				if _, _, got := o.Append([]byte("x")); got != err {
					t.Errorf("an append after it: %v", got)
				}
			})
		})
	}
}

// A log that cannot be reached for a moment is waited for.
func TestClaimWaits(t *testing.T) {
	t.Parallel()
	for _, away := range []time.Duration{time.Second, 4 * time.Second, 7 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			log := &oddLog{fakeLog: newFakeLog(t)}
			log.onLast = func() (error, bool) { return jet.ErrUnavailable, time.Since(began) < away }
			o := prepare(t, log) // gives up after 5 s
			err := o.claim(t)
			switch took := time.Since(began); {
			case away < 5*time.Second && (err != nil || took < away || took > away+time.Second):
				t.Errorf("a log that was away for %v: %v after %v", away, err, took)
			case away > 5*time.Second && (!errors.Is(err, ErrUnavailable) || took < 5*time.Second || took > 6*time.Second):
				t.Errorf("a log that stays away: %v after %v", err, took)
			}
		})
	}
	// Who calls it off does not wait.
	synctest.Test(t, func(t *testing.T) {
		log := &oddLog{fakeLog: newFakeLog(t)}
		log.onLast = func() (error, bool) { return jet.ErrUnavailable, true }
		o := prepare(t, log)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := o.Claim(ctx, nil, nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) {
			t.Errorf("called off: %v", err)
		}
		log.onLast = nil
		hold := make(chan struct{})
		log.set(func(l *fakeLog) { l.hold = hold })
		o = prepare(t, log)
		again, cancelAgain := context.WithTimeout(t.Context(), time.Second)
		defer cancelAgain()
		if err := o.Claim(again, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("called off while a fence is under way: %v", err)
		}
		close(hold)
		synctest.Wait()
	})
}

// Progress is told five times a second, and at the end.
func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &oddLog{fakeLog: newFakeLog(t)}
		log.intrude("old", 0, flagFence)
		const n = 6 * chunkEntries
		for i := range uint64(n) {
			log.intrude("old", i+1, 0, "one", "two")
		}
		size := len(log.entries[1].Data)
		log.onRead = func(ctx context.Context, from, to uint64, fn func(jet.Entry) error) (error, bool) {
			if to-from < n {
				return nil, false // only the beginning
			}
			return log.fakeLog.Read(ctx, from, to, func(e jet.Entry) error {
				if e.Seq%chunkEntries == 0 {
					time.Sleep(150 * time.Millisecond)
				}
				return fn(e)
			}), true
		}
		o := prepare(t, log)
		var told []Progress
		if err := o.Claim(t.Context(), func(Pos, []byte) error { return nil }, func(p Progress) { told = append(told, p) }); err != nil {
			t.Fatal(err)
		}
		var at []time.Duration
		for _, p := range told {
			at = append(at, p.Elapsed)
			if p.TotalEntries != n+1+MaxInFlightLimit || p.Entries > p.TotalEntries {
				t.Errorf("told %+v", p)
			}
		}
		ms := time.Millisecond
		if want := []time.Duration{300 * ms, 600 * ms, 900 * ms, 900 * ms}; !slices.Equal(at, want) {
			t.Errorf("told after %v, want %v", at, want)
		}
		last := told[len(told)-1]
		if last.Entries != last.TotalEntries || last.Records != 2*n || last.Bytes < uint64(n*size) || last.Bytes > uint64(n*size+1000) {
			t.Errorf("in the end %+v", last)
		}
	})
}

// What was trimmed at the start is not counted among what there is to replay.
func TestProgressAfterTrim(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	log.intrude("old", 0, flagFence)
	for i := range uint64(9) {
		log.intrude("old", i+1, 0, "x")
	}
	o := prepare(t, &trimmedLog{fakeLog: log, at: 1, to: 9})
	var last Progress
	if err := o.Claim(t.Context(), func(pos Pos, _ []byte) error { o.Retain(pos.Append, 1, 1); return nil }, func(p Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if last.Entries != 2+MaxInFlightLimit || last.TotalEntries != last.Entries {
		t.Errorf("%+v", last)
	}
	if s := o.Stats(); s.First != 9 || s.LiveItems != 2 {
		t.Errorf("%+v", s)
	}
}

// A replay that fails leaves nobody behind who reads on (goleak would tell).
func TestReplayStopsReading(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	log.intrude("old", 0, flagFence)
	for i := range uint64((2 + chunks) * 4 * chunkEntries) {
		log.intrude("old", i+1, 0, "x")
	}
	read := make(chan error, 1)
	odd := &oddLog{fakeLog: log}
	odd.onRead = func(ctx context.Context, from, to uint64, fn func(jet.Entry) error) (error, bool) {
		err := log.Read(ctx, from, to, fn)
		read <- err
		return err, true
	}
	o := prepare(t, odd)
	if err := o.Claim(t.Context(), func(Pos, []byte) error { return errOdd }, nil); !errors.Is(err, errOdd) {
		t.Errorf("claim: %v", err)
	}
	select {
	case err := <-read:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the read ended with %v", err)
		}
	default:
		t.Error("the log is still being read")
	}
	log.set(func(l *fakeLog) { l.entries[2000].Seq = 99999 }) // a gap
	o = prepare(t, odd)
	if err := o.claim(t); corrupt(err) == nil {
		t.Errorf("claim: %v", err)
	}
	select {
	case <-read:
	default:
		t.Error("the log is still being read")
	}
}

// Entries come in chunks of 512 or 1 MiB.
func TestChunks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ n, size, want int }{
		"small entries":         {2*chunkEntries + 1, 10, chunkEntries},
		"large entries":         {5, chunkBytes / 2, 2},
		"just not large enough": {7, chunkBytes/2 - 1, 3},
		"one larger than all":   {3, chunkBytes + 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := newFakeLog(t)
			for i := range test.n {
				log.entries = append(log.entries, jet.Entry{Seq: uint64(i + 1), Data: make([]byte, test.size)})
			}
			out := make(chan []jet.Entry, test.n)
			if err := readChunks(t.Context(), log, 1, uint64(test.n), out); err != nil {
				t.Fatal(err)
			}
			close(out)
			var sizes []int
			sum := 0
			for c := range out {
				sizes = append(sizes, len(c))
				sum += len(c)
			}
			if sizes[0] != test.want || sum != test.n {
				t.Errorf("chunks of %v, the first should have %d", sizes, test.want)
			}
		})
	}
	// Nobody takes them any more.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	log := newFakeLog(t)
	for i := range 2 * chunkEntries {
		log.entries = append(log.entries, jet.Entry{Seq: uint64(i + 1), Data: []byte("x")})
	}
	for _, to := range []uint64{1, 2 * chunkEntries} {
		if err := readChunks(ctx, log, 1, to, make(chan []jet.Entry)); !errors.Is(err, context.Canceled) {
			t.Errorf("up to %d, called off: %v", to, err)
		}
	}
}
