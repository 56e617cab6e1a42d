package queue

import "encoding/binary"

// memory is one remembered deduplication id: 72 bytes without pointers.
type memory struct {
	id          DedupID
	answer      [16]byte
	key, append uint64
	expires     Time
	chain       uint32
	order       links
}

func (r *memory) due() Time { return wholeSecond(r.expires) }

func (r *memory) original() Original {
	return Original{ID: r.answer, Key: r.key, Append: r.append, Expires: r.expires}
}

// remembered holds deduplication ids until they expire. Time bounds it: what is
// sent within the deduplication interval.
type remembered struct {
	items    slab[memory]
	ids      index
	order    timeline   // by expiry
	replaced []Original // for the next Advance to report
}

func (r *remembered) init() {
	r.ids.hash = func(i uint32) uint64 { return r.items.at(i).id.hash() }
	r.ids.next = func(i uint32) *uint32 { return &r.items.at(i).chain }
	r.order.links = func(i uint32) *links { return &r.items.at(i).order }
	r.order.less = func(a, b uint32) bool {
		x, y := r.items.at(a), r.items.at(b)
		return x.expires < y.expires || x.expires == y.expires && a < b
	}
}

func (r *remembered) find(id DedupID) uint32 {
	i := r.ids.first(id.hash())
	for i != 0 && r.items.at(i).id != id {
		i = r.items.at(i).chain
	}
	return i
}

func (r *remembered) remove(i uint32) {
	r.order.remove(i)
	r.ids.remove(i)
	r.items.free(i)
}

// hash: the id is a hash already.
func (d DedupID) hash() uint64 { return binary.LittleEndian.Uint64(d[:]) }

// Duplicate returns what the first send with this id was answered with, if that
// is remembered and has not expired.
func (m *Machine) Duplicate(now Time, id DedupID) (Original, bool) {
	i := m.remembered.find(id)
	if i == 0 || m.remembered.items.at(i).expires <= now {
		return Original{}, false
	}
	return m.remembered.items.at(i).original(), true
}

// Remember keeps an answer until o.Expires, live or in a replay. If the id is
// here already, the new answer replaces the old, which a following Advance
// reports in Changes.Forgotten: there is one report for every call.
func (m *Machine) Remember(id DedupID, o Original) {
	r := &m.remembered
	if i := r.find(id); i != 0 {
		r.replaced = append(r.replaced, r.items.at(i).original())
		r.remove(i)
	}
	i := r.items.alloc()
	*r.items.at(i) = memory{id: id, answer: o.ID, key: o.Key, append: o.Append, expires: o.Expires}
	r.ids.add(i)
	r.order.add(i)
}

// forget reports what was replaced or expired.
func (m *Machine) forget(now Time, c *Changes) {
	r := &m.remembered
	if n := min(len(r.replaced), advanceStep); n > 0 {
		c.Forgotten = append(c.Forgotten, r.replaced[:n]...)
		r.replaced = r.replaced[n:]
		if len(r.replaced) == 0 {
			r.replaced = nil
		}
	}
	for len(c.Forgotten) < advanceStep {
		i := r.order.first()
		if i == 0 || r.items.at(i).due() > now {
			return
		}
		c.Forgotten = append(c.Forgotten, r.items.at(i).original())
		r.remove(i)
	}
}
