package queue

import "encoding/binary"

// memory is one remembered deduplication id: 64 bytes without pointers.
type memory struct {
	id          DedupID
	answer      [16]byte
	key, append number
	expires     stamp
	chain       uint32
	order       links
}

// number is a key or an append in 6 bytes: at a million a second enough for nine
// years.
type number [3]uint16

func numberOf(n uint64) number { return number{uint16(n), uint16(n >> 16), uint16(n >> 32)} }

func (n number) uint64() uint64 { return uint64(n[0]) | uint64(n[1])<<16 | uint64(n[2])<<32 }

func (r *memory) due() Time { return wholeSecond(r.expires.time()) }

func (r *memory) original() Original {
	return Original{ID: r.answer, Key: r.key.uint64(), Append: r.append.uint64(), Expires: r.expires.time()}
}

// remembered holds deduplication ids until they expire. Time bounds it: what is
// sent within the deduplication interval.
type remembered struct {
	items    slab[memory]
	ids      index      // byID
	order    timeline   // byExpiry
	replaced []Original // for the next Advance to report
}

var (
	byID = hashing{
		hash: func(m *Machine, i uint32) uint64 { return m.remembered.items.at(i).id.hash() },
		next: func(m *Machine, i uint32) *uint32 { return &m.remembered.items.at(i).chain },
	}
	byExpiry = ordering{
		links: func(m *Machine, i uint32) *links { return &m.remembered.items.at(i).order },
		less: func(m *Machine, a, b uint32) bool {
			s, t := m.remembered.items.at(a).expires.time(), m.remembered.items.at(b).expires.time()
			return s < t || s == t && a < b
		},
	}
)

// hash: the id is a hash already.
func (d DedupID) hash() uint64 { return binary.LittleEndian.Uint64(d[:]) }

func (r *remembered) find(id DedupID) uint32 {
	if r == nil {
		return 0
	}
	i := r.ids.first(id.hash())
	for i != 0 && r.items.at(i).id != id {
		i = r.items.at(i).chain
	}
	return i
}

// firstMemory is the remembered id that expires first, 0 for none.
func (m *Machine) firstMemory() uint32 {
	if m.remembered == nil {
		return 0
	}
	return m.remembered.order.first(m, &byExpiry)
}

func (m *Machine) dropMemory(i uint32) {
	r := m.remembered
	r.order.remove(m, &byExpiry, i)
	r.ids.remove(m, &byID, i)
	r.items.free(i)
}

// Duplicate returns what the first send with this id was answered with, if that
// is remembered and has not expired.
func (m *Machine) Duplicate(now Time, id DedupID) (Original, bool) {
	i := m.remembered.find(id)
	if i == 0 || m.remembered.items.at(i).expires.time() <= now {
		return Original{}, false
	}
	return m.remembered.items.at(i).original(), true
}

// Remember keeps an answer until o.Expires, live or in a replay. If the id is
// here already, the new answer replaces the old, which a following Advance
// reports in Changes.Forgotten: there is one report for every call.
func (m *Machine) Remember(id DedupID, o Original) {
	if m.remembered == nil {
		m.remembered = new(remembered)
	}
	r := m.remembered
	if i := r.find(id); i != 0 {
		r.replaced = append(r.replaced, r.items.at(i).original())
		m.dropMemory(i)
	}
	i := r.items.alloc()
	*r.items.at(i) = memory{
		id: id, answer: o.ID, key: numberOf(o.Key), append: numberOf(o.Append), expires: stampOf(o.Expires),
	}
	r.ids.add(m, &byID, i)
	r.order.add(m, &byExpiry, i)
}

// forget reports what was replaced or expired.
func (m *Machine) forget(now Time, c *Changes) {
	r := m.remembered
	if r == nil {
		return
	}
	if n := min(len(r.replaced), advanceStep); n > 0 {
		c.Forgotten = append(c.Forgotten, r.replaced[:n]...)
		r.replaced = r.replaced[n:]
		if len(r.replaced) == 0 {
			r.replaced = nil
		}
	}
	for len(c.Forgotten) < advanceStep {
		i := m.firstMemory()
		if i == 0 || r.items.at(i).due() > now {
			break
		}
		c.Forgotten = append(c.Forgotten, r.items.at(i).original())
		m.dropMemory(i)
	}
	if r.items.n == 0 && len(r.replaced) == 0 {
		m.remembered = nil
	}
}
