package state

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/queue"
)

// appends counts what each append of a log holds.
type appends struct {
	t     *testing.T
	items map[uint64]int
	bytes map[uint64]int
}

func newAppends(t *testing.T) *appends {
	return &appends{t, make(map[uint64]int), make(map[uint64]int)}
}

func (a *appends) Retain(at uint64, items, bytes int) {
	a.items[at] += items
	a.bytes[at] += bytes
}

func (a *appends) Release(at uint64, bytes int) {
	a.items[at]--
	a.bytes[at] -= bytes
	if a.items[at] < 0 || a.bytes[at] < 0 || a.items[at] == 0 && a.bytes[at] != 0 {
		a.t.Errorf("append %d holds %d items of %d bytes", at, a.items[at], a.bytes[at])
	}
	if a.items[at] == 0 {
		delete(a.items, at)
		delete(a.bytes, at)
	}
}

// drive is a State that does random things over a log in memory.
type drive struct {
	*State
	t       *testing.T
	r       *rand.Rand
	log     *appends
	next    uint64 // append
	records map[uint64][]byte
	taken   uint64 // highest key taken in from partition 2
	posted  int
	held    map[Ref][]Receipt
}

var (
	plain, ordered, dead = Ref{ID: 1}, Ref{ID: 2}, Ref{ID: 3}
	service              = []Ref{{Kind: 17, ID: 1}, {Kind: 17, ID: 2}, {Kind: 17, ID: 3}}
	local                = append([]Ref{plain, ordered, dead}, service...)
)

func driven(t *testing.T, log *appends) *State {
	return New(Config{
		Log: log, Now: 100_000,
		Terms: func(r Ref) (Terms, bool) {
			switch {
			case r == plain:
				return Terms{MaxReceives: 2, Dead: &Target{Queue: dead}, Name: "plain", Retention: 60_000}, true
			case r == ordered:
				return Terms{FIFO: true, MaxReceives: 3, Dead: &Target{Partition: 1, Queue: Ref{ID: 9}}, DeadFIFO: true, DeadRevision: 4, Name: "ordered"}, true
			case r.Kind == 17:
				return Terms{MaxReceives: 3, Discard: true}, true
			}
			return Terms{}, r == dead
		},
		Definition: func(r Ref) (uint64, []byte, bool) { return 10 + r.ID, []byte("definition"), r.Kind == KindQueue },
	})
}

// write stores the open record.
func (d *drive) write() {
	if rec := d.Record(); rec != nil {
		d.next++
		d.records[d.next] = slices.Clone(rec)
		d.Written(Pos{Append: d.next})
	}
}

// rest calls more until it says that nothing is left. What goes on for ever fails at once,
// rather than when the memory or the time of all tests is used up.
func rest(what string, more func() bool) {
	for range 10_000 {
		if !more() {
			return
		}
	}
	panic(what + " does not come to rest")
}

// settle does what is due, and what follows from what was done.
func settle(s *State, write func()) {
	rest("the state", func() bool {
		rest("what is due", func() bool { return s.NextDue() != nil })
		q := s.NextTouched()
		if q == nil {
			return false
		}
		rest("a queue", func() bool { return s.Advance(q) })
		s.GiveUp(q, s.Exhausted(q))
		write()
		s.Review(q)
		return true
	})
}

// release releases all trash, n messages at a time.
func release(s *State, n int) {
	rest("the trash", func() bool {
		s.ReleaseSome(n)
		return s.Trash()
	})
}

func (d *drive) ref() Ref { return local[d.r.IntN(len(local))] }

func (d *drive) place(r Ref) Place {
	p := Place{Queue: r, Sent: d.now}
	switch {
	case r == ordered:
		p.FIFO, p.Group = true, fmt.Sprint("g", d.r.IntN(3))
		if d.r.IntN(2) == 0 {
			p.Dedup = Dedup{ID: [16]byte{byte(d.r.IntN(8))}, Answer: [16]byte{byte(d.posted)}, Expires: d.now/1000*1000 + 5000} // whole seconds: as ids are forgotten
		}
	case r.Kind == 17:
		if d.r.IntN(2) == 0 {
			p.Name, p.Replace = Name{1 + byte(d.r.IntN(4))}, d.r.IntN(2) == 0
		}
		p.Note.Reference = "reference"
	}
	if r != ordered && d.r.IntN(3) == 0 {
		p.VisibleAt = d.now + Time(d.r.IntN(3000))
	}
	return p
}

func (d *drive) item(targets int) Item {
	d.posted++
	it := Item{Payload: fmt.Appendf(nil, "<%d %s>", d.posted, strings.Repeat("x", d.r.IntN(30)))}
	for range targets {
		t := Placing{Place: d.place(d.ref())}
		if d.r.IntN(4) == 0 {
			t.Partition = 1 + uint32(d.r.IntN(2))
		}
		it.Targets = append(it.Targets, t)
	}
	return it
}

// step does one random thing and writes it.
func (d *drive) step() {
	r := d.ref()
	q := d.Find(r)
	what := d.r.IntN(16)
	switch {
	case q == nil || what < 4:
		d.Post(d.item(1+d.r.IntN(3)), func(Placed) {})
	case what < 7:
		a := queue.ReceiveArgs{Max: 1 + d.r.IntN(3), HideUntil: d.now + Time(d.r.IntN(4000))}
		if r == ordered && d.r.IntN(2) == 0 {
			a.Attempt, a.AttemptExpires = &queue.DedupID{byte(d.r.IntN(3))}, d.now+3000
		}
		got, _, err := d.Receive(q, a)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, m := range got {
			d.held[r] = append(d.held[r], Receipt{m.Key, m.Receives})
		}
	case what < 10 && len(d.held[r]) > 0:
		held := d.held[r]
		x := held[d.r.IntN(len(held))]
		switch until := d.now + Time(d.r.IntN(4000)); d.r.IntN(3) {
		case 0:
			_ = d.Hide(q, x.Key, x.Receive, until)
		case 1:
			_ = d.Postpone(q, x.Key, x.Receive, until)
		default:
			d.Remove(q, held, func(int, error) {})
			d.held[r] = nil
		}
	case what == 10:
		d.Cancel(q, Name{1 + byte(d.r.IntN(4))})
	case what == 11 && d.r.IntN(3) == 0:
		if r.Kind == 17 && d.r.IntN(2) == 0 {
			d.Drop(q)
		} else {
			d.Purge(q)
		}
	case what == 12:
		for _, out := range d.Outboxes() {
			var keys []uint64
			for _, p := range d.Parcels(out, 3, 1<<20) {
				if len(p.Places) == 0 {
					d.t.Errorf("a parcel without places: %+v", p)
				}
				keys = append(keys, p.Key)
			}
			d.HandedOver(out, keys, keys[d.r.IntN(len(keys))])
		}
	case what == 13:
		d.taken++
		d.SetMark(2, d.taken)
		p := d.place(r)
		p.Dedup = p.Dedup.TakenIn(d.now-1000, d.now)
		d.Post(Item{Payload: []byte("<taken in>"), Targets: []Placing{{Place: p}}}, func(Placed) {})
	case what == 14 && r == dead:
		var keys []uint64
		var items []Item
		q.Peek(2, func(m queue.Message) bool {
			keys = append(keys, m.Key)
			items = append(items, Item{Payload: []byte("<moved>"), Targets: []Placing{{Place: d.place(plain)}}})
			return true
		})
		if len(keys) > 0 {
			d.Transfer(q, keys, items)
		}
		status := taskStatuses[d.r.IntN(len(taskStatuses))]
		d.SetTask(q, &Task{ID: fmt.Sprint(d.r.IntN(12)), Status: status, Moved: int64(d.posted)})
	default:
		d.Tick(d.now + Time(d.r.IntN(2000)))
	}
	d.write()
}

// trim writes again what lives in the oldest append, and removes it.
func (d *drive) trim() {
	release(d.State, 3)
	at := slices.Min(slices.Collect(maps.Keys(d.records)))
	// One place with its payload fits, at least.
	room := len(d.records[at]) + 2*PlaceBytes + d.r.IntN(4*PlaceBytes)
	left, err := d.Rewrite(Pos{Append: at}, d.records[at], room, func() error { d.write(); return nil })
	if err != nil || left != 0 {
		d.t.Fatal(left, err)
	}
	d.write()
	settle(d.State, d.write) // what ids replaced is told by the next Advance
	if n := d.log.items[at]; n != 0 {
		d.t.Errorf("append %d was written again, and still holds %d items of %d bytes", at, n, d.log.bytes[at])
	}
	delete(d.records, at)
}

// replay makes the state that the log gives, as of now.
func (d *drive) replay() *drive {
	log := newAppends(d.t)
	s := driven(d.t, log)
	for _, at := range slices.Sorted(maps.Keys(d.records)) {
		if err := s.Replay(Pos{Append: at}, d.records[at]); err != nil {
			d.t.Fatal(err)
		}
	}
	s.Tick(d.now)
	out := &drive{State: s, t: d.t, log: log, records: d.records}
	for range 2 { // what is due now
		for _, q := range s.Queues() {
			s.touch(q)
		}
		settle(s, func() {
			if rec := s.Record(); rec != nil {
				d.t.Errorf("the replayed state decides anew: %q", rec)
				s.Written(Pos{Append: 1 << 40})
			}
		})
	}
	release(s, 100)
	return out
}

// picture is all that can be seen of a state.
func (d *drive) picture() string {
	var b strings.Builder
	s := d.State
	queues := s.Queues()
	slices.SortFunc(queues, func(x, y *Queue) int {
		return cmp.Or(cmp.Compare(x.Ref.Kind, y.Ref.Kind), cmp.Compare(x.Ref.ID, y.Ref.ID))
	})
	fmt.Fprintf(&b, "revision %d, mark %d\n", s.Revision(), s.Mark(2))
	for _, q := range queues {
		if !q.Known() {
			continue
		}
		at, n := q.Home()
		next := q.NextKey()
		if q.Ref.Kind >= FirstService {
			next = 0 // a replay may begin it higher, behind all that were dropped
		}
		fmt.Fprintf(&b, "%v: next %d, purged %d, home %v+%d, revision %d, defined %v, %+v, parcels %d\n",
			q.Ref, next, q.Purged(), at, n, q.Revision(), q.Defined(), q.Counts(), len(q.parcels))
		for _, t := range s.Tasks(q) {
			fmt.Fprintf(&b, "  task %+v, active %v\n", *t, s.ActiveTask(q) == t)
		}
		if q.m == nil {
			continue
		}
		var lines []string
		q.m.Each(func(m queue.Message) bool {
			note, source := s.Note(&m), m.Source
			m.Source = 0
			name, _ := q.m.NameOf(m.Key)
			id, expires, keys, ok := q.m.AttemptOf(m.Key)
			if expires <= s.now { // forgotten at the next whole second
				id, expires, keys, ok = queue.DedupID{}, 0, nil, false
			}
			slices.Sort(keys)
			lines = append(lines, fmt.Sprintf("  %+v %+v %v name %v attempt %v %v %v %v parcel %+v\n", m, note, source == 0, name, id, expires, keys, ok, q.parcels[m.Key]))
			rec := d.records[m.Append]
			if end := int(m.Offset + m.Len); end > len(rec) || rec[m.Offset] != '<' || rec[end-1] != '>' {
				d.t.Errorf("%v: message %d has no payload at %d+%d of append %d", q.Ref, m.Key, m.Offset, m.Len, m.Append)
			}
			return true
		})
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, ""))
		if q.NextKey() > 10_000 {
			d.t.Fatalf("%v: the next key is %d", q.Ref, q.NextKey())
		}
		for id := range byte(8) {
			for key := range q.NextKey() {
				if o, ok := q.m.Remembered(queue.DedupID{id}, key); ok {
					fmt.Fprintf(&b, "  remembered %d: %+v\n", id, o)
				}
			}
		}
	}
	for _, at := range slices.Sorted(maps.Keys(d.log.items)) {
		fmt.Fprintf(&b, "append %d: %d items, %d bytes\n", at, d.log.items[at], d.log.bytes[at])
	}
	return b.String()
}

// check compares the state with what a replay gives, and what is counted with what is there.
func (d *drive) check() {
	d.t.Helper()
	settle(d.State, d.write)
	release(d.State, 2)
	live, again := d.picture(), d.replay()
	if got := again.picture(); got != live {
		x, y := strings.Split(live, "\n"), strings.Split(got, "\n")
		for i := range min(len(x), len(y)) {
			if x[i] != y[i] {
				d.t.Fatalf("seen by a replay:\n%s\nseen by the owner:\n%s", y[i], x[i])
			}
		}
		d.t.Fatalf("a replay gives\n%s\nthe owner has\n%s", got, live)
	}
	for _, s := range []*State{d.State, again.State} {
		checkCounts(d.t, s)
	}
	if x, y := weight(d.State), weight(again.State); x != y {
		d.t.Errorf("the owner counts %d bytes, after a replay %d", x, y)
	}
}

// weight is what a state says it takes, without the machines of empty queues.
func weight(s *State) int64 {
	n := s.Usage().Bytes
	for _, q := range s.Queues() {
		if q.m != nil {
			n -= machineBytes
		}
		if !q.Known() {
			n -= queueBytes
		}
	}
	return n
}

func checkCounts(t *testing.T, s *State) {
	t.Helper()
	messages, ready := int64(0), 0
	for _, q := range s.Queues() {
		c := q.Counts()
		messages += int64(c.Visible + c.InFlight + c.Delayed)
		if q.Ref.Kind >= FirstService && q.Available() {
			ready++
		}
		if q.m == nil {
			continue
		}
		if at, ok := q.m.Next(); ok && (q.due < 0 || q.dueAt > max(at, s.now+1)) {
			t.Errorf("%v has something to do at %d, and is due at %d (%d)", q.Ref, at, q.dueAt, q.due)
		}
	}
	if u := s.Usage(); u.Messages != messages || u.Queues != len(s.Queues()) {
		t.Errorf("%+v, there are %d messages in %d queues", u, messages, len(s.Queues()))
	}
	var turn []*Queue
	rest("whose turn it is", func() bool {
		q := s.NextReady(17)
		if q != nil {
			turn = append(turn, q)
		}
		return q != nil
	})
	for _, q := range turn {
		if !q.Available() {
			t.Errorf("%v has its turn, and nothing to give", q.Ref)
		}
		s.LetGo(q)
		s.Review(q)
	}
	if len(turn) != ready {
		t.Errorf("%d queues have their turn, %d have something to give", len(turn), ready)
	}
}

// Whatever a partition did, a replay of its log gives the same state, also after what
// lived in old appends was written again and they were removed; what is counted is there.
func TestReplayGivesTheSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		log := newAppends(t)
		d := &drive{
			State: driven(t, log), t: t, r: rand.New(rand.NewPCG(seed, 0)), log: log,
			records: make(map[uint64][]byte), held: make(map[Ref][]Receipt),
		}
		for i := range 120 {
			d.step()
			if i%8 == 7 {
				d.check()
				if i > 60 {
					for range d.r.IntN(12) {
						d.trim()
					}
					d.check()
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, i)
			}
		}
	}
}
