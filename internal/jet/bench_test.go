package jet

import (
	"fmt"
	"testing"
)

// BenchmarkAppend measures durable appends with so many under way at a time.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 256 << 10} {
		for _, inFlight := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("%dKiB/%d", size>>10, inFlight), func(b *testing.B) {
				s := stream(b, open(b, Config{}))
				data := payload(1, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				slots := make(chan struct{}, inFlight)
				done := func(_ uint64, err error) {
					if err != nil {
						b.Error(err)
					}
					<-slots
				}
				b.ResetTimer()
				for i := range b.N {
					slots <- struct{}{}
					s.Append(data, "bench", uint64(i), done)
				}
				for range inFlight {
					slots <- struct{}{}
				}
			})
		}
	}
}

// BenchmarkRead measures replay.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{4 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s := stream(b, open(b, Config{}))
			n := (128 << 20) / size
			if size < 64<<10 {
				n = 4096
			}
			fill(b, s, n, size)
			b.SetBytes(int64(n * size))
			for b.Loop() {
				count := 0
				if err := s.Read(b.Context(), 1, uint64(n), func(Entry) error { count++; return nil }); err != nil || count != n {
					b.Fatal(count, err)
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{1 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s := stream(b, open(b, Config{}))
			fill(b, s, 64, size)
			b.SetBytes(int64(size))
			i := 0
			for b.Loop() {
				if _, err := s.Get(b.Context(), uint64(i%64)+1); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		c, err := Open(b.Context(), Config{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
