package bus_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
)

// All events of an archive can be read, in pages, those that have just arrived too, each
// once; of those that were archived since nothing is missing.
func TestReadArchive(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, f *fixture) {
		const events = 300
		b := f.bus("shop")
		a := f.archive(b, "all", registry.Archive{})
		f.putMany(b, events) // one a minute, until now
		synctest.Wait()
		read := func(from int64) map[int]int {
			t.Helper()
			seen := map[int]int{}
			for at, pages := "", 0; ; pages++ {
				list, next, err := f.ReadArchive(t.Context(), a, from, math.MaxInt64, at)
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range list {
					var e struct{ Detail struct{ N int } }
					if err := json.Unmarshal(text, &e); err != nil {
						t.Fatal(err)
					}
					seen[e.Detail.N]++
				}
				if at = next; at == "" {
					return seen
				}
				if pages > events {
					t.Fatal("it does not end")
				}
			}
		}
		time.Sleep(time.Second) // events come to other partitions through outboxes
		for from, want := range map[int64]int{0: events, f.now().Add(-100*time.Minute - 30*time.Second).UnixMilli(): 100, f.now().Add(time.Hour).UnixMilli(): 0} {
			seen := read(from)
			if len(seen) != want {
				t.Errorf("since %d: %d events, want %d", from, len(seen), want)
			}
			for n, times := range seen {
				if times != 1 {
					t.Errorf("event %d comes %d times", n, times)
				}
			}
		}
		for _, at := range []string{"x", "7.0", "1", "-1.0"} {
			if _, _, err := f.ReadArchive(t.Context(), a, 0, math.MaxInt64, at); !errors.Is(err, bus.ErrPage) {
				t.Errorf("from %q: %v", at, err)
			}
		}
	})
}
