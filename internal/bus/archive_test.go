package bus_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

func (f *fixture) archive(b *registry.Bus, name string, def registry.Archive) *registry.Archive {
	f.t.Helper()
	a, err := f.CreateArchive(f.t.Context(), b, name, def)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

// eventually waits until what is asked for holds.
func (f *fixture) eventually(what string, holds func() bool) {
	f.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			f.t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// size is that of an archive.
func (f *fixture) size(a *registry.Archive) bus.ArchiveSize {
	f.t.Helper()
	n, err := f.SizeOf(f.t.Context(), a)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// messages are what the queues of an archive hold on all partitions, by kind.
func (f *fixture) messages(a *registry.Archive, k partition.Kind) (n int, on []int) {
	f.t.Helper()
	for p := range f.parts.Count() {
		c, err := f.parts.CountOf(f.t.Context(), partition.Target{Partition: p, Queue: partition.Ref{Kind: k, ID: a.ID}})
		if err != nil {
			f.t.Fatal(err)
		}
		n += c.Visible + c.Delayed + c.InFlight
		on = append(on, c.Visible+c.Delayed+c.InFlight)
	}
	return n, on
}

// What matches is archived in the same post as it is delivered, and nothing else; the
// counts are at hand, also after a restart.
func TestArchive(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	b := f.bus("orders")
	q := f.standard("q")
	f.rule(b, "r", `{"source":["shop"]}`, registry.Target{ARN: q.ARN()})
	all := f.archive(b, "all", registry.Archive{})
	some := f.archive(b, "some", registry.Archive{Pattern: `{"detail":{"n":[{"numeric":[">",5]}]}}`})
	other := f.archive(f.bus("other"), "other", registry.Archive{})
	payloads, posts := 0, 0
	f.mu.Lock()
	f.ask = func(items []partition.PostItem) error { payloads, posts = payloads+len(items), posts+1; return nil }
	f.mu.Unlock()
	f.put(b, event("shop", `{"n":7}`))
	if posts != 1 || payloads != 1 {
		t.Errorf("%d posts with %d payloads", posts, payloads)
	}
	f.put(b, event("shop", `{"n":3}`), event("elsewhere", `{}`))
	f.wantCounted(bus.Counted{Put: 3, Matched: 2, Delivered: 2, Archived: 4})
	f.take(q, 2)
	check := func() {
		t.Helper()
		for a, want := range map[*registry.Archive]int64{all: 3, some: 1, other: 0} {
			f.eventually(a.Name, func() bool { return f.size(a).Events == want })
			if n := f.size(a); n.Bytes < want*150 || n.Bytes > want*300 {
				t.Errorf("%s has %+v", a.Name, n)
			}
		}
	}
	check()
	f.restart(2)
	check()
	// Patterns change, and an archive that is gone takes nothing.
	if _, err := f.UpdateArchive(t.Context(), some, func(a *registry.Archive) error { a.Pattern = `{"source":["elsewhere"]}`; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteArchive(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	f.put(b, event("shop", `{"n":9}`), event("elsewhere", `{}`))
	f.eventually("some", func() bool { return f.size(some).Events == 2 })
	f.eventually("the events of the archive that was deleted are removed", func() bool {
		n, _ := f.messages(all, partition.KindArrivals)
		return n == 0
	})
	if err := f.Delete(t.Context(), account, region, "other"); !errors.Is(err, bus.ErrHasArchives) {
		t.Errorf("a bus with an archive is deleted: %v", err)
	}
	if err := f.DeleteArchive(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), account, region, "other"); err != nil {
		t.Error(err)
	}
}

// Many events become few messages, which are spread over the partitions; nothing is lost
// or counted twice, also when all nodes pack at once.
func TestArchiveIsPacked(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	b := f.bus("orders")
	q := f.standard("q") // so that the posts all go to one partition
	f.rule(b, "r", `{"source":["shop"]}`, registry.Target{ARN: q.ARN(), InputPath: "$.id"})
	a := f.archive(b, "all", registry.Archive{})
	const events = 6000
	for i := 0; i < events; i += 10 {
		var list []bus.Event
		for k := range 10 {
			list = append(list, event("shop", fmt.Sprintf(`{"n":%d}`, i+k)))
		}
		f.put(b, list...)
	}
	f.eventually("all is archived", func() bool { return f.size(a).Events == events })
	f.eventually("all but the rest is packed", func() bool {
		n, _ := f.messages(a, partition.KindArrivals)
		return n < 2*bus.MaxChunkEvents
	})
	n, on := f.messages(a, partition.KindArchives)
	if n > 40 || slices.Min(on) < 3 {
		t.Errorf("%d messages, %v", n, on)
	}
	if n := f.size(a); n.Events != events || n.Bytes < events*150 {
		t.Errorf("%+v", n)
	}
	// What stood by itself for long is packed too.
	f.ahead.Add(int64(bus.PackAfter))
	for p := range f.parts.Count() {
		if err := f.Pack(t.Context(), a.ID, p); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := f.messages(a, partition.KindArrivals); n != 0 {
		t.Errorf("%d stand by themselves", n)
	}
	if n := f.size(a); n.Events != events {
		t.Errorf("%+v", n)
	}
}

// Events go when their time is over, also when the time was shortened afterwards.
func TestArchiveRetention(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	b := f.bus("default")
	a := f.archive(b, "all", registry.Archive{RetentionDays: 30})
	put := func() {
		f.put(b, event("shop", `{}`), event("shop", `{}`))
		for p := range f.parts.Count() {
			if err := f.Pack(t.Context(), a.ID, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	put()
	f.ahead.Add(int64(2 * 24 * time.Hour)) // the partitions' clock is another: they still say now
	now, err := f.UpdateArchive(t.Context(), a, func(a *registry.Archive) error { a.RetentionDays = 3; return nil })
	if err != nil {
		t.Fatal(err)
	}
	for p := range f.parts.Count() {
		if err := f.Expire(t.Context(), now, p); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.size(a); n.Events != 2 {
		t.Errorf("%+v", n)
	}
	if _, err := f.UpdateArchive(t.Context(), a, func(a *registry.Archive) error { a.RetentionDays = 1; return nil }); err != nil {
		t.Fatal(err)
	}
	f.eventually("they are removed", func() bool { return f.size(a).Events == 0 })
	if n, _ := f.messages(a, partition.KindArchives); n > 2 {
		t.Errorf("%d messages are left", n)
	}
	put()
}

func TestArchiveLimits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("default")
	for i := range bus.MaxArchives {
		f.archive(b, fmt.Sprint("a", i), registry.Archive{Pattern: `{"source":["none"]}`})
	}
	if _, err := f.CreateArchive(t.Context(), b, "more", registry.Archive{}); !errors.Is(err, bus.ErrArchives) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := f.CreateArchive(t.Context(), b, "a7", registry.Archive{}); !errors.Is(err, bus.ErrArchiveExists) {
		t.Errorf("one that is there: %v", err)
	}
	// An archive made again under its name begins empty.
	a, err := f.Archive(t.Context(), account, region, "a7")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteArchive(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteArchive(t.Context(), a); !errors.Is(err, bus.ErrNoArchive) {
		t.Errorf("deleted twice: %v", err)
	}
	again := f.archive(b, "a7", registry.Archive{})
	f.put(b, event("shop", `{}`))
	if n := f.size(again); n.Events != 1 {
		t.Errorf("%+v", n)
	}
	list, more := f.Archives(account, region, "a", "a6", 3, func(a *registry.Archive) bool { return strings.HasSuffix(a.Name, "7") })
	if len(list) != 3 || !more || list[0].Name != "a67" || list[1].Name != "a7" {
		t.Errorf("%v, %v", list, more)
	}
}
