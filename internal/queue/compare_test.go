package queue

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// compare looks at everything that can be asked.
func (p *pair) compare(t *rapid.T) {
	p.t = t
	p.advance()
	if err := p.m.verify(); err != nil {
		t.Fatal(err)
	}
	p.same("next key", p.m.NextKey(), p.o.nextKey)
	p.same("counts", p.m.Counts(), p.o.Counts())
	p.same("available", p.m.Available(p.now), p.o.Available())
	next, ok := p.m.Next()
	wantNext, wantOK := p.o.Next()
	p.same("next", next, wantNext)
	p.same("has next", ok, wantOK)
	oldest, ok := p.m.Oldest()
	wantOldest, wantOK := p.o.Oldest()
	p.same("oldest", oldest, wantOldest)
	p.same("has oldest", ok, wantOK)
	var peeked []Message
	p.m.Peek(1<<20, func(msg Message) bool { peeked = append(peeked, msg); return true })
	p.same("peeked", peeked, p.o.Peek())
	n := 0
	p.m.Each(func(msg Message) bool {
		n++
		x := p.o.find(msg.Key)
		if x == nil {
			t.Fatalf("message %d should be gone", msg.Key)
		}
		p.same("message", msg, x.Message)
		got, ok := p.m.Get(msg.Key)
		p.same("got", got, msg)
		p.same("there", ok, true)
		return true
	})
	p.same("messages", n, len(p.o.messages))
	n = 0
	eachAttempt(p.m, func(id DedupID, expires Time, keys []uint64) bool {
		n++
		for _, a := range p.o.attempts {
			if a.id == id {
				p.same("attempt's life", expires, a.expires)
				p.same("attempt's keys", keys, a.keys)
				return true
			}
		}
		t.Fatalf("attempt %v should be gone", id)
		return true
	})
	p.same("attempts", n, len(p.o.attempts))
	p.same("each answer remembered is reported once", p.remembers, p.forgotten+len(p.o.memories)+len(p.o.replaced))
	if err := p.m.verify(); err != nil {
		t.Fatal(err)
	}
}

// restore makes a machine from all that the live one tells, in any order, and
// compares it.
func (p *pair) restore() {
	p.advance()
	var msgs []Message
	p.m.Each(func(msg Message) bool { msgs = append(msgs, msg); return true })
	msgs = rapid.Permutation(msgs).Draw(p.t, "order")
	c := New(p.m.cfg)
	for _, msg := range msgs {
		c.Insert(p.now, msg)
	}
	c.SetNextKey(p.m.NextKey())
	for o, id := range memories(p.m) {
		c.Remember(id, o)
	}
	eachAttempt(p.m, func(id DedupID, expires Time, keys []uint64) bool {
		c.ApplyAttempt(p.now, id, expires, keys)
		return true
	})
	p.equal("restored", c)
}

// replay repeats the facts, with the times at which they were written and with
// the time of the replay, and compares.
func (p *pair) replay() {
	p.advance()
	for _, live := range []bool{true, false} {
		c := New(p.m.cfg)
		for k, fact := range p.facts {
			at := p.now
			if live {
				at = p.times[k]
			}
			fact(at, c)
			if k%16 == 0 {
				if err := c.verify(); err != nil {
					p.t.Fatal(err)
				}
			}
		}
		p.equal("replayed", c)
	}
}

func memories(m *Machine) map[Original]DedupID {
	out := map[Original]DedupID{}
	if m.remembered != nil {
		m.remembered.items.each(func(_ uint32, r *memory) bool { out[r.original()] = r.id; return true })
	}
	return out
}

// eachAttempt finds the attempts through their messages, as a rewriting does.
func eachAttempt(m *Machine, fn func(id DedupID, expires Time, keys []uint64) bool) {
	seen := map[DedupID]bool{}
	m.Each(func(msg Message) bool {
		id, expires, keys, ok := m.AttemptOf(msg.Key)
		if !ok || seen[id] {
			return true
		}
		seen[id] = true
		return fn(id, expires, keys)
	})
	if n := attemptsOf(m); len(seen) != n {
		panic(fmt.Sprintf("%d attempts of messages, %d in all", len(seen), n))
	}
}

func attemptsOf(m *Machine) int {
	if m.attempts == nil {
		return 0
	}
	return int(m.attempts.items.n)
}

// equal compares the live machine with one made from facts. Only the latter's
// order of service may differ, and it may find dead letters earlier: what was
// visible when MaxReceives was lowered is found by the next Receive live.
func (p *pair) equal(what string, c *Machine) {
	dead := map[uint64]bool{}
	for more := true; more; {
		ch := c.Advance(p.now)
		if len(ch.Expired) > 0 {
			p.t.Fatalf("%s: expired %+v", what, ch.Expired)
		}
		for _, msg := range ch.Dead {
			dead[msg.Key] = true
		}
		more = ch.More
	}
	if err := c.verify(); err != nil {
		p.t.Fatal(err)
	}
	lines := func(m *Machine) (all map[uint64]Message, open map[string][]uint64) {
		all, open = map[uint64]Message{}, map[string][]uint64{}
		m.Each(func(msg Message) bool { all[msg.Key] = msg; return true })
		m.Peek(1<<20, func(msg Message) bool { open[msg.Group] = append(open[msg.Group], msg.Key); return true })
		return all, open
	}
	live, liveOpen := lines(p.m)
	made, madeOpen := lines(c)
	for key := range dead {
		if e := p.m.entries.at(p.m.find(key)); e.state != visible || !p.m.exhausted(e) {
			p.t.Fatalf("%s: message %d should not be dead", what, key)
		}
		delete(live, key)
	}
	p.same(what, made, live)
	if len(dead) == 0 {
		if p.m.cfg.FIFO {
			p.same(what+" order", madeOpen, liveOpen)
		}
		p.same(what+" available", c.Available(p.now), p.m.Available(p.now))
	}
	p.same(what+" next key", c.NextKey(), p.m.NextKey())
	p.same(what+" answers", memories(c), memories(p.m))
	attempts := func(m *Machine) map[DedupID][]uint64 {
		out := map[DedupID][]uint64{}
		eachAttempt(m, func(id DedupID, expires Time, keys []uint64) bool {
			if expires > p.now {
				out[id] = slices.Clone(keys)
			}
			return true
		})
		return out
	}
	p.same(what+" attempts", attempts(c), attempts(p.m))
}
