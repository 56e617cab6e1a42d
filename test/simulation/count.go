package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/partition"
)

// Counters, as schedules are: each is a message under a name, which is read and then
// replaced by one that is one higher, on the condition that it is still the same, in one
// post with a tick for another queue. However many clients count at once, whatever was
// not answered, and whoever owns the partition, there is one tick for each number up to
// the last, and what was read or answered never goes back.

const (
	counterNames = 3
	countPlayers = 4

	kindCounter = kindSpent + 1
	kindTick    = kindSpent + 2
)

// farAhead is when counters could be taken: never.
const farAhead = 1000 * time.Hour

// countBook notes how far counters came.
type countBook struct {
	mu    sync.Mutex
	known [counterNames]int               // what was read or answered, at least
	ticks [counterNames]map[uint64]uint64 // the keys of ticks that were taken, by number
}

// counterQueue is where a counter stands, and tickQueue where its ticks go.
func (s *sim) counterQueue(n int) partition.Target {
	return partition.Target{Partition: uint32(n) % s.plan.partitions, Queue: partition.Ref{Kind: kindCounter, ID: 1}}
}

func (s *sim) tickQueue(n int) partition.Target {
	return partition.Target{Partition: uint32(n+1) % s.plan.partitions, Queue: partition.Ref{Kind: kindTick, ID: uint64(n + 1)}}
}

func counterName(n int) partition.Name { return partition.NameOf(fmt.Sprint("counter ", n)) }

func (s *sim) counts(ctx context.Context, number int) {
	c := &client{s: s, number: number, r: rand.New(rand.NewPCG(s.plan.seed, uint64(500+number)))}
	for rest(ctx, time.Duration(c.r.ExpFloat64()*float64(s.plan.think))) == nil {
		switch c.r.IntN(9) {
		case 0:
			c.listCounters()
		case 3:
			c.paceTicks(c.r.IntN(counterNames))
		case 1, 2:
			c.takeTicks(uint32(c.r.IntN(int(s.plan.partitions))), time.Second, c.r.IntN(3) == 0)
		case 4:
			c.readTicks(c.r.IntN(counterNames))
		default:
			c.countOne(c.r.IntN(counterNames))
		}
	}
}

// readCounter gives a counter's number and key, 0 if it does not exist; not ok without
// an answer.
func (c *client) readCounter(n int) (value int, key uint64, ok bool) {
	b := &c.s.countBook
	b.mu.Lock()
	known := b.known[n]
	b.mu.Unlock()
	type answer struct {
		found partition.Found
		there bool
	}
	a, err := direct(c, func(ctx context.Context, r *run) (answer, error) {
		f, there, err := r.svc.Find(ctx, c.s.counterQueue(n), counterName(n))
		return answer{f, there}, err
	})
	if err != nil {
		return 0, 0, false
	}
	if a.there {
		value, key = c.counterValue(a.found), a.found.Key
	}
	c.knows(n, known, value)
	return value, key, true
}

func (c *client) counterValue(f partition.Found) (value int) {
	if _, err := fmt.Sscanf(string(f.Payload), "%d|", &value); err != nil {
		c.s.book.fault("a counter says %.40q", f.Payload)
	}
	return value
}

// knows notes a counter's number, which cannot be lower than what was known before it was
// asked for.
func (c *client) knows(n, before, value int) {
	b := &c.s.countBook
	b.mu.Lock()
	defer b.mu.Unlock()
	if value < before {
		c.s.book.fault("counter %d is at %d, though it was at %d before", n, value, before)
	}
	b.known[n] = max(b.known[n], value)
}

func (c *client) countOne(n int) {
	s := c.s
	value, key, ok := c.readCounter(n)
	if !ok {
		return
	}
	value++
	q := s.counterQueue(n)
	// Either the message is replaced, or it goes by the condition and another comes.
	remove := c.r.IntN(2) == 0 && key != 0
	conditions := []partition.Condition{{Queue: q.Queue, Name: counterName(n), Key: key, Remove: remove}}
	items := []partition.PostItem{
		{
			Payload: []byte(fmt.Sprintf("%d|%s", value, strings.Repeat("c", c.r.IntN(200)))),
			Targets: []partition.PostTarget{{Target: q, Name: counterName(n), Replace: !remove, VisibleAt: partition.Milliseconds(time.Now().Add(farAhead))}},
		},
		{
			Payload: []byte(fmt.Sprintf("%d|%d|", n, value)),
			Targets: []partition.PostTarget{{Target: s.tickQueue(n)}},
		},
	}
	done, err := direct(c, func(ctx context.Context, r *run) (bool, error) {
		_, err := r.svc.PostIf(ctx, q.Partition, conditions, items)
		if errors.Is(err, partition.ErrCondition) {
			return false, nil
		}
		return err == nil, err
	})
	if err == nil && done {
		c.knows(n, 0, value)
	}
}

// listCounters lists a partition's counters page by page, one at a time: those that were
// there before are in it, once.
func (c *client) listCounters() {
	s := c.s
	p := uint32(c.r.IntN(int(s.plan.partitions)))
	s.countBook.mu.Lock()
	known := s.countBook.known
	s.countBook.mu.Unlock()
	seen := make(map[partition.Name]int)
	type page struct {
		list []partition.Found
		more bool
	}
	q := partition.Target{Partition: p, Queue: partition.Ref{Kind: kindCounter, ID: 1}}
	for after, more := (partition.Name{}), true; more; {
		got, err := direct(c, func(ctx context.Context, r *run) (page, error) {
			list, more, err := r.svc.List(ctx, q, after, 1)
			return page{list, more}, err
		})
		if err != nil {
			return
		}
		for _, f := range got.list {
			if _, twice := seen[f.Name]; twice {
				s.book.fault("a list of counters has %x twice", f.Name)
			}
			seen[f.Name] = c.counterValue(f)
			after = f.Name
		}
		more = got.more
	}
	for n, value := range known {
		if value == 0 || s.counterQueue(n).Partition != p {
			continue
		}
		got, ok := seen[counterName(n)]
		if !ok {
			s.book.fault("counter %d is not in a list, though it was at %d before", n, value)
			continue
		}
		c.knows(n, value, got)
	}
}

// takeTicks takes ticks of a partition, notes them and acknowledges them, or has them wait
// for another attempt.
func (c *client) takeTicks(p uint32, wait time.Duration, again bool) int {
	got, err := direct(c, func(ctx context.Context, r *run) (partition.Taken, error) {
		return r.svc.Take(ctx, p, kindTick, partition.TakeTerms{Max: 10, Wait: wait})
	})
	if err != nil {
		return 0
	}
	b := &c.s.countBook
	var receipts []partition.Receipt
	for _, m := range got.Messages {
		var n int
		var value uint64
		if _, err := fmt.Sscanf(string(m.Payload), "%d|%d|", &n, &value); err != nil || n < 0 || n >= counterNames || got.Target != c.s.tickQueue(n) {
			c.s.book.fault("%v gave what was not posted to it: %.40q", got.Target, m.Payload)
			continue
		}
		b.mu.Lock()
		if b.ticks[n] == nil {
			b.ticks[n] = make(map[uint64]uint64)
		}
		if key, ok := b.ticks[n][value]; ok && key != m.Receipt.Key {
			c.s.book.fault("tick %d of counter %d stands twice in %v", value, n, got.Target)
		}
		b.ticks[n][value] = m.Receipt.Key
		b.mu.Unlock()
		receipts = append(receipts, m.Receipt)
	}
	switch {
	case len(receipts) == 0:
	case again:
		at := partition.Milliseconds(time.Now().Add(time.Duration(c.r.IntN(5000)) * time.Millisecond))
		var entries []partition.RetryEntry
		for _, r := range receipts {
			entries = append(entries, partition.RetryEntry{Receipt: r, At: at})
		}
		_, _ = direct(c, func(ctx context.Context, r *run) ([]error, error) { return r.svc.Retry(ctx, got.Target, entries) })
	default:
		_, _ = direct(c, func(ctx context.Context, r *run) ([]error, error) { return r.svc.Ack(ctx, got.Target, receipts) })
	}
	return len(got.Messages)
}

// readTicks reads the ticks of a counter page by page, in the order of their coming. Those
// of numbers that were known before are there, unless they were taken.
func (c *client) readTicks(n int) {
	s, b := c.s, &c.s.countBook
	q := s.tickQueue(n)
	b.mu.Lock()
	known := b.known[n]
	b.mu.Unlock()
	type page struct {
		list []partition.Found
		next uint64
	}
	seen := make(map[uint64]bool)
	for from, last := uint64(0), uint64(0); ; {
		got, err := direct(c, func(ctx context.Context, r *run) (page, error) {
			list, next, err := r.svc.Read(ctx, q, from, 1+c.r.IntN(5))
			return page{list, next}, err
		})
		if err != nil {
			return
		}
		for _, f := range got.list {
			var of int
			var value uint64
			if _, err := fmt.Sscanf(string(f.Payload), "%d|%d|", &of, &value); err != nil || of != n {
				s.book.fault("%v has what was not posted to it: %.40q", q, f.Payload)
			}
			if f.Key <= last || f.Key < from || seen[value] {
				s.book.fault("%v, read from %d on, has tick %d with key %d behind key %d", q, from, value, f.Key, last)
			}
			last, seen[value] = f.Key, true
		}
		if got.next == 0 {
			break
		}
		if got.next <= last {
			s.book.fault("%v is to be read on from %d, behind %d", q, got.next, last)
			return
		}
		from = got.next
	}
	if q.Partition != s.counterQueue(n).Partition {
		return // some are on their way
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for value := uint64(1); value <= uint64(known); value++ {
		if _, taken := b.ticks[n][value]; !taken && !seen[value] {
			s.book.fault("tick %d of counter %d, which was at %d before, was neither read nor taken", value, n, known)
		}
	}
}

// paceTicks lets ticks come slowly for a while: in the end they come all the same.
func (c *client) paceTicks(n int) {
	p := partition.Pace{MaxInFlight: c.r.IntN(4), Interval: time.Duration(c.r.IntN(200)) * time.Millisecond, Burst: c.r.IntN(3)}
	if c.r.IntN(2) == 0 {
		p.NotBefore = partition.Milliseconds(time.Now().Add(time.Duration(c.r.IntN(3000)) * time.Millisecond))
	}
	_, _ = direct(c, func(ctx context.Context, r *run) (struct{}, error) {
		return struct{}{}, r.svc.SetPace(ctx, c.s.tickQueue(n), p)
	})
}

// drainCounters removes the counters, takes all ticks, and checks that there was one for
// each number.
func (s *sim) drainCounters(c *client) {
	var last [counterNames]int
	deadline := time.Now().Add(empty)
	for n := range counterNames {
		for {
			if time.Now().After(deadline) {
				s.book.fault("counter %d cannot be removed", n)
				return
			}
			value, key, ok := c.readCounter(n)
			if ok && key == 0 {
				if known := s.countBook.known[n]; last[n] == 0 && known > 0 {
					s.book.fault("counter %d is gone, though it was at %d", n, known)
				}
				break
			}
			if ok {
				last[n] = value
				q := s.counterQueue(n)
				s.countBook.mu.Lock()
				s.countBook.known[n] = 0 // it is to go
				s.countBook.mu.Unlock()
				_, _ = direct(c, func(ctx context.Context, r *run) (struct{}, error) {
					_, err := r.svc.PostIf(ctx, q.Partition, []partition.Condition{{Queue: q.Queue, Name: counterName(n), Key: key, Remove: true}}, nil)
					if errors.Is(err, partition.ErrCondition) {
						err = nil
					}
					return struct{}{}, err
				})
			}
			time.Sleep(time.Second)
		}
	}
	for quiet := 0; quiet < 3; {
		got := 0
		for p := range s.plan.partitions {
			for n := c.takeTicks(p, 4*time.Second, false); n > 0; n = c.takeTicks(p, 4*time.Second, false) { // a pace may hold them up
				got += n
			}
		}
		if quiet++; got > 0 {
			quiet = 0
		}
		if time.Now().After(deadline) {
			s.book.fault("the queues of ticks don't become empty")
			return
		}
		time.Sleep(takeHidden)
	}
	b := &s.countBook
	b.mu.Lock()
	defer b.mu.Unlock()
	for n := range counterNames {
		for value := range uint64(last[n]) {
			if _, ok := b.ticks[n][value+1]; !ok {
				s.book.fault("tick %d of counter %d, which came to %d, is lost", value+1, n, last[n])
			}
		}
		if got := len(b.ticks[n]); got > last[n] {
			s.book.fault("counter %d came to %d, and there were %d ticks", n, last[n], got)
		}
	}
}
