package waystation_test

import (
	"testing"

	"github.com/waystation/waystation"
)

// BenchmarkStart starts a server on an empty folder and stops it.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		b.StartTimer()
		s, err := waystation.Start(b.Context(), waystation.Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
