package pattern

import (
	"fmt"
	"testing"
)

// An event that matches one of N rules, which all want the same source and one of
// four types.
func BenchmarkSet(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := NewSet()
			for i := range n {
				s.Add(fmt.Sprint(i), compiled(b, Events, fmt.Sprintf(
					`{"source":["orders"],"detail-type":["t%d"],"detail":{"id":["id-%d"],"amount":[{"numeric":[">",%d]}]}}`, i%4, i, i%50)))
			}
			event := []byte(`{"version":"0","source":"orders","detail-type":"t3","time":"2026-01-01T00:00:00Z","detail":{"id":"id-7","amount":70,"lines":[{"sku":"a","n":1},{"sku":"b","n":2}]}}`)
			b.ReportAllocs()
			for b.Loop() {
				if ids, err := s.Match(event); len(ids) != 1 || err != nil {
					b.Fatal(ids, err)
				}
			}
		})
	}
}
