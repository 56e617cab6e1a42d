package journal

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// still is a claimed journal that does not run: nothing is published.
func still(t *testing.T, change ...func(*Config)) *owner {
	t.Helper()
	o := prepare(t, newFakeLog(t), change...)
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	return o
}

// The bounds of an append, to the byte.
func TestBounds(t *testing.T) {
	t.Parallel()
	o := still(t, func(c *Config) { c.MaxAppend, c.MaxPayload, c.MaxPending = 2<<10, 64<<10, 10<<20 })
	largest := 64<<10 - envelope - o.headerLen - 3 // a length takes three bytes
	if _, _, err := o.Append(make([]byte, largest+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one byte too large: %v", err)
	}
	if _, _, err := o.Append(make([]byte, largest)); err != nil {
		t.Errorf("as large as can be: %v", err)
	}
	// Records share an append of up to MaxAppend.
	for _, test := range []struct {
		spare int
		share bool
	}{{1, true}, {0, true}, {-1, false}} {
		o := still(t, func(c *Config) { c.MaxAppend = 2 << 10 })
		// Headers differ in length: they hold random numbers.
		second := 2<<10 - o.headerLen - 1002 - 2 - test.spare
		a, _ := o.add(t, strings.Repeat("x", 1000))
		b, _ := o.add(t, strings.Repeat("x", second))
		if (a.Append == b.Append) != test.share {
			t.Errorf("records of 1000 and %d bytes: the same append is %v, want %v", second, a.Append == b.Append, test.share)
		}
		full := o.headerLen+1002+second+2 >= 2<<10
		if sealed := o.gather == nil; test.share && sealed != full {
			t.Errorf("an append of %d bytes is sealed: %v", o.headerLen+1002+second+2, sealed)
		}
	}
	// A barrier's append takes a record of any size.
	o = still(t, func(c *Config) { c.MaxAppend = 2 << 10 })
	o.Barrier()
	if pos, _ := o.add(t, strings.Repeat("x", 5000)); pos.Append != MaxInFlightLimit+1 {
		t.Errorf("a large record does not join the barrier: %v", pos)
	}
	// So many bytes may wait.
	for _, more := range []int{0, 1} {
		o := still(t, func(c *Config) { c.MaxAppend, c.MaxPending = 2<<10, 4<<10 })
		o.add(t, strings.Repeat("x", 1000))
		waits := o.headerLen + 1002
		_, _, err := o.Append(make([]byte, 4<<10-waits-2+more))
		if more == 0 && err != nil || more == 1 && !errors.Is(err, ErrBusy) {
			t.Errorf("%d bytes more than MaxPending: %v", more, err)
		}
	}
	// With nothing waiting anything is taken.
	o = still(t, func(c *Config) { c.MaxAppend, c.MaxPending = 1<<10, 1<<10 })
	if _, _, err := o.Append(make([]byte, 5000)); err != nil {
		t.Errorf("the only record: %v", err)
	}
	if _, _, err := o.Append(nil); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
}

// What waits is counted, and counted off, to the byte.
func TestPendingBytes(t *testing.T) {
	t.Parallel()
	var hooked, records, bytes atomic.Int64
	o := still(t, func(c *Config) {
		c.MaxAppend = 1 << 10
		c.Observe.Appended = func(d time.Duration, r, b int) {
			if d < 0 {
				t.Error("a latency below 0")
			}
			hooked.Add(1)
			records.Add(int64(r))
			bytes.Add(int64(b))
		}
	})
	want := int64(0)
	at := uint64(0)
	var last *Commit
	for i := range 100 {
		pos, c := o.add(t, strings.Repeat("x", 7*i))
		if pos.Append != at {
			at = pos.Append
			want += int64(o.headerLen)
		}
		want += int64(recordLen(7 * i))
		last = c
	}
	if s := o.Stats(); s.PendingBytes != want {
		t.Errorf("%d bytes wait, want %d", s.PendingBytes, want)
	}
	o.run(t)
	durable(t, last)
	durable(t, o.Barrier())
	eventually(t, "all hooks were called", func() bool { return hooked.Load() == int64(o.Stats().Appends) })
	s := o.Stats()
	if s.PendingBytes != 0 || s.InFlight != 0 {
		t.Errorf("%d bytes wait and %d appends are under way after all", s.PendingBytes, s.InFlight)
	}
	want += int64(o.headerLen) // the barrier's
	if s.Appends != at-MaxInFlightLimit+1 || s.Records != 100 || s.AppendedBytes != uint64(want) {
		t.Errorf("stats say %d appends, %d records, %d bytes; want %d, 100, %d",
			s.Appends, s.Records, s.AppendedBytes, at-MaxInFlightLimit+1, want)
	}
	if records.Load() != 100 || bytes.Load() != want {
		t.Errorf("hooks say %d records, %d bytes; want 100, %d", records.Load(), bytes.Load(), want)
	}
}

// What was just written is read from memory, and takes no more of it than it needs.
func TestWrittenIsCached(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log, func(c *Config) { c.MaxAppend = 64 << 10 })
	for range 20 { // batches are large for a while
		var c *Commit
		for range 8 {
			_, c = o.add(t, strings.Repeat("x", 8<<10))
		}
		durable(t, c)
	}
	pos, c := o.add(t, "small")
	durable(t, c)
	if got, err := o.Read(t.Context(), pos, 5); err != nil || string(got) != "small" {
		t.Fatalf("%q, %v", got, err)
	}
	if log.gets+log.ranges != 0 {
		t.Error("it was read from the log")
	}
	data, ok := o.cache.get(pos.Append)
	if !ok || cap(data) > 2*len(data)+4<<10 {
		t.Errorf("%d bytes are held for an append of %d", cap(data), len(data))
	}
	if s := o.Stats(); s.CacheHits != 1 || s.CacheMisses != 0 || s.CacheBytes == 0 {
		t.Errorf("%+v", s)
	}
}

// A batch that becomes full while another is under way is published at once.
func TestFullBatchIsPublished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &outOfOrder{fakeLog: newFakeLog(t), holds: map[uint64]chan struct{}{}, tried: make(chan uint64, 100)}
		o := prepare(t, log, func(c *Config) { c.MaxAppend, c.MaxInFlight = 1<<10, 2 })
		if err := o.claim(t); err != nil {
			t.Fatal(err)
		}
		first := make(chan struct{})
		log.holds[MaxInFlightLimit+1] = first
		o.run(t)
		_, c := o.add(t, "first")
		published := MaxInFlightLimit + 1
		for _, size := range []int{300, 300, 400, 300} { // the third one fills the second batch
			synctest.Wait()
			if len(log.tried) != published {
				t.Errorf("before a record of %d bytes %d appends are published, want %d", size, len(log.tried), published)
			}
			_, _ = o.add(t, strings.Repeat("x", size))
			if size == 400 {
				published++
			}
		}
		close(first)
		durable(t, c)
		durable(t, o.Barrier())
	})
}

func TestWaitTellsWhy(t *testing.T) {
	t.Parallel()
	if err := failedCommit(errOdd).Wait(t.Context()); err != errOdd {
		t.Errorf("one that failed: %v", err)
	}
	c := newCommit()
	got := make(chan error, 1)
	go func() { got <- c.Wait(t.Context()) }()
	time.AfterFunc(time.Millisecond, func() { c.finish(errOdd) })
	if err := <-got; err != errOdd {
		t.Errorf("one that fails: %v", err)
	}
}

// The limits themselves are possible.
func TestConfigLimits(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	base := Config{Log: log, Writer: "w"}
	for name, test := range map[string]struct {
		change func(c *Config)
		ok     bool
	}{
		"defaults":               {func(*Config) {}, true},
		"longest writer":         {func(c *Config) { c.Writer = strings.Repeat("w", maxWriterLen) }, true},
		"too long a writer":      {func(c *Config) { c.Writer = strings.Repeat("w", maxWriterLen+1) }, false},
		"most in flight":         {func(c *Config) { c.MaxInFlight = MaxInFlightLimit }, true},
		"too many in flight":     {func(c *Config) { c.MaxInFlight = MaxInFlightLimit + 1 }, false},
		"in flight below 0":      {func(c *Config) { c.MaxInFlight = -1 }, false},
		"least payload":          {func(c *Config) { c.MaxPayload, c.MaxAppend = 64<<10, 1<<10 }, true},
		"too small a payload":    {func(c *Config) { c.MaxPayload, c.MaxAppend = 64<<10-1, 1<<10 }, false},
		"largest payload":        {func(c *Config) { c.MaxPayload = 1 << 30 }, true},
		"too large a payload":    {func(c *Config) { c.MaxPayload = 1<<30 + 1 }, false},
		"least append":           {func(c *Config) { c.MaxAppend = 1 << 10 }, true},
		"too small an append":    {func(c *Config) { c.MaxAppend = 1<<10 - 1 }, false},
		"largest append":         {func(c *Config) { c.MaxPayload, c.MaxAppend = 1<<20, 1<<20-envelope }, true},
		"too large an append":    {func(c *Config) { c.MaxPayload, c.MaxAppend = 1<<20, 1<<20-envelope+1 }, false},
		"least pending":          {func(c *Config) { c.MaxAppend, c.MaxPending = 1<<10, 1<<10 }, true},
		"too little pending":     {func(c *Config) { c.MaxAppend, c.MaxPending = 1<<10, 1<<10-1 }, false},
		"cache below 0":          {func(c *Config) { c.CacheBytes = -1 }, false},
		"read ahead below 0":     {func(c *Config) { c.ReadAhead = -1 }, false},
		"rewrite floor below 0":  {func(c *Config) { c.RewriteFloor = -1 }, false},
		"trim bytes below 0":     {func(c *Config) { c.TrimBytes = -1 }, false},
		"trim age below 0":       {func(c *Config) { c.TrimAge = -1 }, false},
		"flush timeout below 0":  {func(c *Config) { c.FlushTimeout = -1 }, false},
		"giving up before it is": {func(c *Config) { c.GiveUp = -1 }, false},
	} {
		c := base
		test.change(&c)
		if _, err := New(c); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	j, err := New(base)
	if err != nil {
		t.Fatal(err)
	}
	c := j.cfg
	if c.MaxAppend != 256<<10 || c.MaxInFlight != 2 || c.MaxPayload != 8<<20 || c.MaxPending != 64<<20 || c.CacheBytes != 64<<20 ||
		c.ReadAhead != 2<<20 || c.RewriteFloor != 16<<20 || c.TrimBytes != 8<<20 || c.TrimEvery != time.Second ||
		c.TrimAge != 5*time.Second || c.FlushTimeout != 10*time.Second || c.GiveUp != 30*time.Second || c.Logger == nil || c.Now == nil {
		t.Errorf("defaults are %+v", c)
	}
}
