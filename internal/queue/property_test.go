package queue

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestMain asks for thousands of runs of every property, unless told otherwise.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		checks := "3000"
		if testing.Short() {
			checks = "300"
		}
		if err := flag.Set("rapid.checks", checks); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func TestStandardAgreesWithModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { runPair(t, false) })
}

func TestFIFOAgreesWithModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { runPair(t, true) })
}

func FuzzStandard(f *testing.F) { fuzz(f, false) }

func FuzzFIFO(f *testing.F) { fuzz(f, true) }

// fuzz drives the same comparison from the fuzzer's bytes, beginning with seeds
// long enough for many calls.
func fuzz(f *testing.F, fifo bool) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		data := make([]byte, 4096)
		for k := range data {
			data[k] = byte(rng.Uint32())
			if seed%2 == 1 && k%8 > 0 {
				data[k] = 0 // small numbers: simple draws
			}
		}
		f.Add(data)
	}
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { runPair(t, fifo) }))
}

// pair drives a Machine and the model with the same calls and keeps the facts
// that an owner would write into its journal.
type pair struct {
	t         *rapid.T
	m         *Machine
	o         *model
	now       Time
	facts     []func(now Time, m *Machine)
	times     []Time
	sent      []uint64 // every key ever used
	gaps      []uint64 // keys left out, for messages that come late
	lates     map[uint64]bool
	remembers int
	forgotten int
}

func runPair(t *rapid.T, fifo bool) {
	p := &pair{t: t, now: 1_000_000, lates: map[uint64]bool{}}
	cfg := drawConfig(t, fifo)
	p.m, p.o = New(cfg), newModel(cfg)
	p.m.enough = 1 // move messages together early
	weighted := map[string]func(*rapid.T){"": p.compare}
	for _, a := range []struct {
		name   string
		weight int
		do     func()
	}{
		{"send", 4, p.send}, {"flood", 1, p.flood}, {"late", 1, p.late}, {"receive", 5, p.receive},
		{"delete", 3, p.delete}, {"hide", 3, p.changeVisibility}, {"wait", 3, p.wait}, {"remember", 1, p.remember},
		{"rewrite", 1, p.rewrite}, {"remove", 1, p.remove}, {"configure", 1, p.configure}, {"empty", 1, p.empty},
		{"restore", 1, p.restore},
	} {
		for k := range a.weight {
			weighted[fmt.Sprint(a.name, k)] = func(t *rapid.T) { p.t = t; a.do() }
		}
	}
	t.Repeat(weighted)
	p.replay()
}

func drawConfig(t *rapid.T, fifo bool) Config {
	return Config{
		FIFO:        fifo,
		MaxReceives: rapid.SampledFrom([]int{0, 0, 1, 2, 3, 5}).Draw(t, "maxReceives"),
		Retention:   rapid.SampledFrom([]int64{0, 60_000, 10_000, 100_000}).Draw(t, "retention"),
		MaxInFlight: rapid.SampledFrom([]int{0, 0, 1, 5, 15}).Draw(t, "maxInFlight"),
	}
}

func (p *pair) draw(name string, values ...int64) Time {
	return Time(rapid.SampledFrom(values).Draw(p.t, name))
}

func (p *pair) fact(fn func(now Time, m *Machine)) {
	p.facts = append(p.facts, fn)
	p.times = append(p.times, p.now)
}

func (p *pair) removed(msgs []Message) {
	for _, msg := range msgs {
		p.fact(func(_ Time, m *Machine) { m.Remove(msg.Key) })
	}
}

func (p *pair) same(what string, got, want any) {
	a, ok := got.([]Message)
	if b, _ := want.([]Message); ok {
		for k := range min(len(a), len(b)) {
			if a[k] != b[k] {
				p.t.Fatalf("%s at %d: %d of %d\ngot  %+v\nwant %+v", what, p.now, k, len(a), a[k], b[k])
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		p.t.Fatalf("%s at %d:\ngot  %+v\nwant %+v", what, p.now, got, want)
	}
}

// advance is what an owner does before every other call.
func (p *pair) advance() {
	var got Changes
	for more := true; more; {
		c := p.m.Advance(p.now)
		got.Expired = append(got.Expired, c.Expired...)
		got.Dead = append(got.Dead, c.Dead...)
		got.Forgotten = append(got.Forgotten, c.Forgotten...)
		more = c.More
	}
	want := p.o.Advance(p.now)
	p.same("expired", got.Expired, want.Expired)
	p.same("dead", got.Dead, want.Dead)
	order := func(a, b Original) int {
		return cmp.Or(cmp.Compare(a.Expires, b.Expires), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Append, b.Append))
	}
	slices.SortFunc(got.Forgotten, order)
	slices.SortFunc(want.Forgotten, order)
	p.same("forgotten", got.Forgotten, want.Forgotten)
	p.forgotten += len(got.Forgotten)
	p.removed(got.Expired)
	p.removed(got.Dead)
	if err := p.m.verify(); err != nil {
		p.t.Fatal(err)
	}
	p.settled()
}

// settled lets the machine sort what came out of order, which costs a group its
// turn but must not change anything else.
func (p *pair) settled() {
	if p.m.unsettled.n > 0 {
		p.m.settle()
		p.turns()
	}
}

// turns takes the order of turns over into the model, where it is not defined.
func (p *pair) turns() {
	var ring []string
	for g := p.m.ring.head; g != 0; g = p.m.groups.at(g).ring.next {
		ring = append(ring, p.m.groups.at(g).name)
	}
	p.same("open groups", slices.Sorted(slices.Values(ring)), slices.Sorted(slices.Values(p.o.ring)))
	p.o.ring = ring
}

func (p *pair) wait() {
	p.now += p.draw("wait", 1, 400, 1000, 5000, 5000, 30_000)
	if next, ok := p.m.Next(); ok && next > p.now && rapid.Bool().Draw(p.t, "until next") {
		p.now = next
	}
	p.advance()
}

func (p *pair) insert(key uint64, group int) {
	msg := Message{
		Key: key, Append: key * 10, Offset: uint32(key), Len: uint32(key % 7), Source: uint32(key % 3),
		Sent:  p.now - p.draw("moved", 0, 0, 0, 0, 3000, 9000, -2000),
		Group: []string{"", "a", "b", "c", "d", "e", "f", "g"}[group],
	}
	switch p.draw("kind", 0, 0, 0, 0, 0, 0, 1, 1, 2, 3) {
	case 1:
		msg.VisibleAt = p.now + p.draw("delay", 1, 1000, 5000, 20_000)
	case 2: // moved with its count
		msg.Receives, msg.FirstReceived, msg.LastReceived = 2, p.now-500, p.now-400
	case 3:
		msg.Receives, msg.VisibleAt = 2, p.now+second
	}
	p.advance()
	p.m.Insert(p.now, msg)
	p.o.Insert(p.now, msg)
	p.fact(func(now Time, m *Machine) { m.Insert(now, msg) })
	p.sent = append(p.sent, key)
}

func (p *pair) send() { p.insert(p.m.NextKey(), rapid.IntRange(0, 7).Draw(p.t, "group")) }

// flood sends many to one group, beyond what a search nearby would find.
func (p *pair) flood() {
	group := rapid.IntRange(0, 2).Draw(p.t, "group")
	for range rapid.IntRange(5, 60).Draw(p.t, "n") {
		key := p.m.NextKey()
		if rapid.IntRange(0, 3).Draw(p.t, "gap") == 0 {
			p.gaps = append(p.gaps, key)
			key++
		}
		p.insert(key, group)
	}
}

// late inserts keys that were passed over, as a replay may.
func (p *pair) late() {
	group := rapid.IntRange(0, 2).Draw(p.t, "group")
	for k := rapid.IntRange(1, 20).Draw(p.t, "n"); k > 0 && len(p.gaps) > 0; k-- {
		at := rapid.IntRange(0, len(p.gaps)-1).Draw(p.t, "gap")
		key := p.gaps[at]
		p.gaps = slices.Delete(p.gaps, at, at+1)
		p.lates[key] = true
		p.insert(key, group)
	}
}

func (p *pair) receive() {
	p.advance()
	a := ReceiveArgs{
		Max:       rapid.IntRange(0, 11).Draw(p.t, "max"),
		HideUntil: p.now + p.draw("visibility", 0, 1, 1000, 5000, 5000, 30_000),
	}
	if rapid.Bool().Draw(p.t, "attempt") {
		a.Attempt = &DedupID{byte(rapid.IntRange(1, 3).Draw(p.t, "id"))}
		a.AttemptExpires = p.now + p.draw("life", 300, 8000, 8000)
	}
	before := p.keysByGroup()
	got, dead, err := p.m.Receive(p.now, a)
	p.inOrder(before, got, dead)
	wantGot, wantDead, wantErr := p.o.Receive(p.now, a)
	p.same("received", got, wantGot)
	p.same("dead", dead, wantDead)
	p.same("error", err, wantErr)
	p.removed(dead)
	if len(got) == 0 {
		return
	}
	var keys []uint64
	for _, msg := range got {
		keys = append(keys, msg.Key)
		p.fact(func(now Time, m *Machine) {
			m.ApplyReceive(now, msg.Key, msg.Receives, msg.FirstReceived, msg.LastReceived, a.HideUntil)
		})
	}
	if a.Attempt != nil && p.o.cfg.FIFO {
		p.fact(func(now Time, m *Machine) { m.ApplyAttempt(now, *a.Attempt, a.AttemptExpires, keys) })
	}
}

// keysByGroup returns the keys of each group's messages in any state.
func (p *pair) keysByGroup() map[string][]uint64 {
	out := map[string][]uint64{}
	p.m.Each(func(msg Message) bool { out[msg.Group] = append(out[msg.Group], msg.Key); return true })
	return out
}

// inOrder checks the promise about a FIFO queue by itself, without the model: a
// message is received only if all those before it in its group are gone or come
// before it in the same receive. Keys that came late, as in a replay, don't count.
func (p *pair) inOrder(before map[string][]uint64, got, dead []Message) {
	if !p.o.cfg.FIFO {
		return
	}
	gone := map[uint64]bool{}
	for _, msg := range dead {
		gone[msg.Key] = true
	}
	for _, msg := range got {
		for _, key := range before[msg.Group] {
			if key < msg.Key && !gone[key] && !p.lates[key] {
				p.t.Fatalf("message %d of group %q was received before %d", msg.Key, msg.Group, key)
			}
		}
		gone[msg.Key] = true
	}
}

// handle draws a message, mostly one in flight, and the number of a receive.
func (p *pair) handle() (key uint64, receive uint32) {
	var keys []uint64
	for _, x := range p.o.messages {
		if x.state == inFlight {
			keys = append(keys, x.Key)
		}
	}
	if len(keys) == 0 || rapid.IntRange(0, 4).Draw(p.t, "any") == 0 {
		keys = append(p.sent, 1<<40)
	}
	key = rapid.SampledFrom(keys).Draw(p.t, "key")
	if x := p.o.find(key); x != nil {
		receive = x.Receives
		if rapid.IntRange(0, 5).Draw(p.t, "stale") == 0 {
			receive--
		}
	}
	return key, receive
}

func (p *pair) delete() {
	p.advance()
	key, receive := p.handle()
	got, err := p.m.Delete(p.now, key, receive)
	want, wantErr := p.o.Delete(p.now, key, receive)
	p.same("deleted", got, want)
	p.same("error", err, wantErr)
	if err == nil {
		p.removed([]Message{got})
	}
}

func (p *pair) changeVisibility() {
	p.advance()
	key, receive := p.handle()
	until := p.now + p.draw("until", -1, 0, 0, 1, 1000, 5000, 60_000)
	got, err := p.m.ChangeVisibility(p.now, key, receive, until)
	want, wantErr := p.o.ChangeVisibility(p.now, key, receive, until)
	p.same("changed", got, want)
	p.same("error", err, wantErr)
	if err == nil {
		p.fact(func(now Time, m *Machine) { m.ApplyVisibility(now, key, until) })
	}
}

func (p *pair) remember() {
	p.advance()
	id := DedupID{byte(rapid.IntRange(1, 5).Draw(p.t, "id"))}
	sent := p.now - p.draw("late", 0, 0, 0, 500, 3000) // it waited elsewhere
	expires := sent + p.draw("life", 1, 700, 3000, 3000)
	got, ok := p.m.Duplicate(id, sent, expires)
	want, wantOK := p.o.Duplicate(id, sent, expires)
	p.same("original", got, want)
	p.same("duplicate", ok, wantOK)
	if ok && rapid.Bool().Draw(p.t, "leave") {
		return
	}
	p.remembers++
	original := Original{ID: [16]byte{id[0]}, Key: p.m.NextKey(), Append: uint64(p.remembers), Sent: sent, Expires: expires}
	if sent < p.now {
		original.Grace = 1000 * ((p.now-sent)/1000 + 1)
	}
	p.m.Remember(id, original)
	p.o.Remember(id, original)
	p.fact(func(_ Time, m *Machine) { m.Remember(id, original) })
}

func (p *pair) rewrite() {
	p.advance()
	for _, x := range p.o.messages {
		if x.Key%3 != 0 {
			continue
		}
		msg := x.Message
		msg.Append, msg.Offset, msg.Len = msg.Append+1, msg.Offset+1, msg.Len+1
		p.m.Insert(p.now, msg)
		p.o.Insert(p.now, msg)
		p.fact(func(now Time, m *Machine) { m.Insert(now, msg) })
	}
}

func (p *pair) remove() {
	p.advance()
	key, _ := p.handle()
	got, ok := p.m.Remove(key)
	want, wantOK := p.o.Remove(key)
	p.same("removed", got, want)
	p.same("there", ok, wantOK)
	p.fact(func(_ Time, m *Machine) { m.Remove(key) })
}

func (p *pair) configure() {
	p.advance()
	cfg := drawConfig(p.t, p.o.cfg.FIFO)
	p.m.Configure(p.now, cfg)
	p.o.cfg = cfg
	p.advance()
}

// empty is a purge: nothing stays but the next key.
func (p *pair) empty() {
	p.advance()
	if rapid.IntRange(0, 3).Draw(p.t, "really") > 0 {
		return
	}
	var got []Message
	for r, more := p.m.Empty(), true; more; {
		more = r.Next(rapid.IntRange(1, 50).Draw(p.t, "step"),
			func(msg Message) { got = append(got, msg) }, func(Original) { p.forgotten++ })
	}
	want := slices.Clone(p.o.messages)
	p.same("emptied", len(got), len(want))
	slices.SortFunc(got, func(a, b Message) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(want, func(a, b *modelMessage) int { return cmp.Compare(a.Key, b.Key) })
	for k, msg := range got {
		msg.Group = want[k].Group // not told any more
		p.same("emptied", msg, want[k].Message)
	}
	nextKey := p.o.nextKey
	p.o = newModel(p.o.cfg)
	p.o.nextKey = nextKey
	p.fact(func(_ Time, m *Machine) { m.Empty() })
}
