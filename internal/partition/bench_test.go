package partition

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/waystation/waystation/internal/jet"
)

// BenchmarkSend measures sends of 1 KiB by so many callers, each waiting for
// its answer, with fsync on.
func BenchmarkSend(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(callers, "callers"), func(b *testing.B) {
			n := startNode(b, jet.Config{Dir: b.TempDir()}, nil)
			q := n.queue("q", nil)
			m := message(strings.Repeat("x", 1024))
			spread(b, callers, func() error {
				m := m
				m.ID = NewID()
				_, err := n.svc.Send(b.Context(), q, []Message{m})
				return err
			})
		})
	}
}

// BenchmarkReceiveDelete measures receive of one message and its delete.
func BenchmarkReceiveDelete(b *testing.B) {
	for _, callers := range []int{64, 256} {
		b.Run(fmt.Sprint(callers, "callers"), func(b *testing.B) {
			n := startNode(b, jet.Config{Dir: b.TempDir()}, nil)
			q := n.queue("q", nil)
			body := strings.Repeat("x", 1024)
			var wg sync.WaitGroup
			var left atomic.Int64
			left.Store(int64(b.N))
			for range 64 {
				wg.Go(func() {
					for left.Add(-10) > -10 {
						msgs := make([]Message, 10)
						for i := range msgs {
							msgs[i] = message(body)
						}
						n.send(q, msgs...)
					}
				})
			}
			wg.Wait()
			b.ResetTimer()
			spread(b, callers, func() error {
				got, err := n.svc.Receive(b.Context(), q, one)
				if err != nil || len(got) == 0 {
					return fmt.Errorf("received %d, %v", len(got), err)
				}
				_, err = n.svc.Delete(b.Context(), q, []string{got[0].Receipt})
				return err
			})
		})
	}
}

func spread(b *testing.B, callers int, f func() error) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkPost measures posts of 1 KiB to so many queues of a service each, by 64
// callers, with fsync on.
func BenchmarkPost(b *testing.B) {
	for _, queues := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(queues, "queues"), func(b *testing.B) {
			n := startNode(b, jet.Config{Dir: b.TempDir()}, func(c *Config) {
				c.Kinds = map[Kind]KindTerms{FirstService: {}}
			})
			payload := []byte(strings.Repeat("x", 1024))
			targets := make([]PostTarget, queues)
			for i := range targets {
				targets[i].Target.Queue = Ref{Kind: FirstService, ID: uint64(i)}
			}
			spread(b, 64, func() error {
				_, err := n.svc.Post(b.Context(), 0, []PostItem{{Payload: payload, Targets: targets}})
				return err
			})
			st := n.svc.Status()[0]
			b.ReportMetric(float64(st.LiveBytes)/float64(b.N), "live_B/post")
		})
	}
}
