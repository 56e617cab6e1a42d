package bus_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/partition"
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

// What goes on arriving does not keep a node packing: it packs what had arrived.
func TestPackingEnds(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, f *fixture) {
		b := f.bus("shop")
		a := f.archive(b, "all", registry.Archive{})
		f.put(b, event("shop", `{"n":0}`))
		var posts, arrived atomic.Int64
		f.mu.Lock()
		f.postIf = func(post func() ([]partition.Posted, error)) ([]partition.Posted, error) {
			if posts.Add(1) < 50 {
				f.put(b, event("shop", fmt.Sprintf(`{"n":%d}`, arrived.Add(1))))
			}
			return post()
		}
		f.mu.Unlock()
		if _, _, err := f.ReadArchive(t.Context(), a, 0, math.MaxInt64, ""); err != nil {
			t.Fatal(err)
		}
		if n := posts.Load(); n > 5 {
			t.Errorf("it took %d records to pack one event", n)
		}
	})
}

// A replay that meets a chunk that cannot be read fails, and says so: trying again would be
// of no use.
func TestReplayOfADamagedArchive(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, f *fixture) {
		b := f.bus("shop")
		a := f.archive(b, "all", registry.Archive{})
		now := strconv.FormatInt(f.now().UnixMilli(), 36)
		_, err := f.parts.Post(t.Context(), 0, []partition.PostItem{{Payload: []byte{1, 7, 7}, Targets: []partition.PostTarget{{
			Target: partition.Target{Queue: partition.Ref{Kind: partition.KindArchives, ID: a.ID}},
			Name:   partition.NameOf("bad"), Reference: strings.Join([]string{"1", "10", now, now, now}, " "),
		}}}})
		if err != nil {
			t.Fatal(err)
		}
		f.put(b, event("shop", "{}")) // packed behind it
		f.replayOf(a, "again")
		time.Sleep(time.Minute)
		r, err := f.Replay(t.Context(), account, region, "again")
		if err != nil || r.State != registry.ReplayFailed || !strings.Contains(r.Reason, "damaged") {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
