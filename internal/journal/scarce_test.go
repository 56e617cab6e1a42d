package journal

import (
	"context"
	"strings"
	"sync"
	"testing"
)

// sizedLog is a fake log that knows how much it held at most.
type sizedLog struct {
	*fakeLog
	mu          sync.Mutex
	size, most  int
	sizes       map[uint64]int
	firstStored uint64
}

func (l *sizedLog) Append(data []byte, id string, expect uint64, done func(uint64, error)) {
	l.fakeLog.Append(data, id, expect, func(seq uint64, err error) {
		if err == nil {
			l.mu.Lock()
			l.sizes[seq] = len(data)
			l.size += len(data)
			l.most = max(l.most, l.size)
			l.mu.Unlock()
		}
		done(seq, err)
	})
}

func (l *sizedLog) Purge(ctx context.Context, before uint64) error {
	l.mu.Lock()
	for ; l.firstStored < before; l.firstStored++ {
		l.size -= l.sizes[l.firstStored]
	}
	l.mu.Unlock()
	return l.fakeLog.Purge(ctx, before)
}

// While space is scarce, garbage is worked off though more lives than that, and
// the log never becomes much longer by it.
func TestSpaceShort(t *testing.T) {
	t.Parallel()
	const size, n, gain = 100 << 10, 400, 8 << 20
	log := &sizedLog{fakeLog: newFakeLog(t), sizes: make(map[uint64]int), firstStored: 1}
	o := start(t, log, func(c *Config) { c.MaxAppend = 64 << 10 })
	rec := strings.Repeat("x", size)
	live := map[Pos]bool{}
	for range n {
		pos, c := o.add(t, rec)
		o.Retain(pos.Append, 1, size)
		live[pos] = true
		durable(t, c)
	}
	i := 0
	for pos := range live { // a quarter dies, anywhere
		if i++; i%4 == 0 {
			delete(live, pos)
			o.Release(pos.Append, size)
		}
	}
	durable(t, o.Barrier())
	select {
	case <-o.Rewrite():
		t.Fatal("rewriting is asked for with a quarter of garbage")
	default:
	}
	before := o.Stats()
	log.mu.Lock()
	log.most = log.size
	full := log.size
	log.mu.Unlock()
	rewrite := func() {
		stored, err := o.Oldest(t.Context(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range stored {
			if live[s.Pos] {
				pos, c := o.add(t, rec)
				o.Retain(pos.Append, 1, size)
				live[pos] = true
				delete(live, s.Pos)
				o.Release(s.Pos.Append, size)
				durable(t, c)
			}
		}
	}
	o.SpaceShort(gain)
	o.SpaceShort(gain)
	for rounds := 0; o.Stats().GarbageBytes >= gain; rounds++ {
		if rounds > 100 {
			t.Fatalf("of %d bytes of garbage %d are left", before.GarbageBytes, o.Stats().GarbageBytes)
		}
		eventually(t, "rewriting is asked for", func() bool {
			select {
			case <-o.Rewrite():
				return true
			default:
				return false
			}
		})
		rewrite()
	}
	o.SpaceShort(0)
	log.mu.Lock()
	if more := log.most - full; more > scarceDead+3<<20 {
		t.Errorf("rewriting made the log longer by %d bytes", more)
	}
	log.mu.Unlock()
	if len(live) != n*3/4 {
		t.Errorf("%d live, want %d", len(live), n*3/4)
	}
}

// The rules, one by one.
func TestWorthwhile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		r    *ring
		want bool
	}{
		"as much garbage as lives":                      {&ring{bytes: 2000, live: 1000}, false},
		"more garbage than lives":                       {&ring{bytes: 2001, live: 1000}, true},
		"a short log":                                   {&ring{bytes: 2001, live: 1000, floor: 2001}, false},
		"scarce, little garbage":                        {&ring{bytes: 1099, live: 1000, scarce: 100}, false},
		"scarce, some garbage":                          {&ring{bytes: 1100, live: 1000, scarce: 100}, true},
		"scarce, in a short log":                        {&ring{bytes: 1100, live: 1000, scarce: 100, floor: 5000}, true},
		"scarce, garbage that outweighs":                {&ring{bytes: 1100, live: 100, scarce: 1001}, false},
		"scarce, too much waits to be trimmed":          {&ring{bytes: 1100, live: 1000, scarce: 100, dead: 50}, false},
		"scarce, a little waits to be trimmed":          {&ring{bytes: 1100, live: 1000, scarce: 100, dead: 49}, true},
		"scarce, too much waits whatever the garbage":   {&ring{bytes: 1<<30 + 1, live: 1, scarce: 1 << 30, dead: scarceDead}, false},
		"not scarce, more waits to be trimmed than may": {&ring{bytes: 2001, live: 1000, room: 100, dead: 100}, false},
		"not scarce, as much waits as may":              {&ring{bytes: 2001, live: 1000, room: 100, dead: 99}, true},
		"not scarce, much waits to be trimmed":          {&ring{bytes: 2001, live: 1000, dead: scarceDead}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.r.worthwhile(); got != test.want {
				t.Errorf("worthwhile is %v, want %v", got, test.want)
			}
		})
	}
}

var _ Log = (*sizedLog)(nil)
