package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkAppend appends records of 1 KiB from so many callers, each waiting for its commit, on an
// embedded server that syncs every append.
func BenchmarkAppend(b *testing.B) {
	for _, inFlight := range []int{1, 2, 3, 4} {
		for _, callers := range []int{1, 16, 64, 256} {
			b.Run(fmt.Sprintf("inflight=%d/callers=%d", inFlight, callers), func(b *testing.B) {
				benchmarkAppend(b, inFlight, callers)
			})
		}
	}
}

func benchmarkAppend(b *testing.B, inFlight, callers int) {
	o := start(b, newStream(b), func(c *Config) { c.MaxInFlight = inFlight })
	rec := bytes.Repeat([]byte("x"), 1<<10)
	var left atomic.Int64
	left.Store(int64(b.N))
	var mu sync.Mutex // the owner's
	b.SetBytes(int64(len(rec)))
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				mu.Lock()
				_, c, err := o.Append(rec)
				mu.Unlock()
				if err == nil {
					<-c.Done()
					err = c.Err()
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	s := o.Stats()
	took := b.Elapsed().Seconds()
	b.ReportMetric(float64(b.N)/took, "records/s")
	b.ReportMetric(float64(s.Records)/float64(max(s.Appends, 1)), "records/append")
	b.ReportMetric(took*float64(callers)/float64(b.N)*1e6, "µs/wait")
}

// fill appends size bytes in records of 1 KiB, as fast as the log takes them.
func fill(b *testing.B, o *owner, size int) []Pos {
	rec := bytes.Repeat([]byte("x"), 1<<10)
	var places []Pos
	var last *Commit
	for range size / len(rec) {
		pos, c, err := o.Append(rec)
		if errors.Is(err, ErrBusy) {
			if err := last.Wait(context.Background()); err != nil {
				b.Fatal(err)
			}
			pos, c, err = o.Append(rec)
		}
		if err != nil {
			b.Fatal(err)
		}
		o.Retain(pos.Append, 1, len(rec))
		places, last = append(places, pos), c
	}
	if err := last.Wait(context.Background()); err != nil {
		b.Fatal(err)
	}
	return places
}

// BenchmarkReplay claims a log of 256 MiB in appends of 256 KiB and records of 1 KiB.
func BenchmarkReplay(b *testing.B) {
	const size = 256 << 20
	stream := newStream(b)
	o := start(b, stream)
	fill(b, o, size)
	o.close(b)
	b.SetBytes(size)
	b.ReportAllocs()
	var took time.Duration
	for b.Loop() {
		j := prepare(b, stream)
		n := 0
		err := j.Claim(context.Background(), func(Pos, []byte) error { n++; return nil }, func(p Progress) { took = p.Elapsed })
		if err != nil || n != size>>10 {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(size)/took.Seconds()/1e6, "replay-MB/s")
}

// BenchmarkSequentialRead reads records of 1 KiB in order that no cache holds.
func BenchmarkSequentialRead(b *testing.B) {
	o := start(b, newStream(b), func(c *Config) { c.CacheBytes = 16 << 20 })
	places := fill(b, o, 128<<20)
	b.SetBytes(1 << 10)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := o.Read(context.Background(), places[i%len(places)], 1<<10); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkTryRead reads a record that is in memory.
func BenchmarkTryRead(b *testing.B) {
	o := start(b, newStream(b))
	places := fill(b, o, 1<<20)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, ok := o.TryRead(places[i%len(places)], 1<<10); !ok {
			b.Fatal("not in memory")
		}
		i++
	}
}
