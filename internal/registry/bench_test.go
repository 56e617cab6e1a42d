package registry

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// clients is from how many goroutines the benchmarks create queues.
const clients = 64

// BenchmarkCreate has 64 clients create queues on an embedded server that fsyncs
// each entry, among 1,000 and among 1,000,000. It tells what memory one queue costs, and
// how long the next start takes.
//
//	go test ./internal/registry -run - -bench Create -benchtime 20000x
func BenchmarkCreate(b *testing.B) {
	for _, there := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("among=%d", there), func(b *testing.B) {
			if b.N == 1 {
				return // a trial of the harness
			}
			dir := b.TempDir()
			conn, err := jet.Open(b.Context(), jet.Config{Dir: dir})
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			before := heap()
			r, stop := running(b, conn, there+b.N)
			began := time.Now()
			createMany(b, r, 0, there)
			filled := float64(there) / time.Since(began).Seconds()
			each := float64(heap()-before) / float64(there)
			b.ResetTimer()
			createMany(b, r, there, b.N)
			b.StopTimer()
			b.ReportMetric(filled, "filled/s")
			b.ReportMetric(each, "B/queue")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "creates/s")
			stop()
			began = time.Now()
			r, stop = running(b, conn, there+b.N)
			defer stop()
			b.ReportMetric(time.Since(began).Seconds(), "s-to-ready")
			if n := r.Count(); n != there+b.N {
				b.Fatal(n)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func running(b *testing.B, conn *jet.Conn, most int) (r *Registry, stop func()) {
	b.Helper()
	r, err := Open(b.Context(), conn, "ws", Config{MaxQueues: most})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	select {
	case <-r.Ready():
	case err := <-done:
		b.Fatal(err)
	}
	return r, func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

// createMany creates n queues from all clients at once.
func createMany(b *testing.B, r *Registry, from, n int) {
	b.Helper()
	var next atomic.Int64
	next.Store(int64(from))
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= from+n {
					return
				}
				if _, _, err := r.CreateQueue(b.Context(), queue(fmt.Sprintf("queue-%07d", i)), yes); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
