package queue

import "encoding/binary"

// memory is one remembered deduplication id: 72 bytes without pointers.
type memory struct {
	id            DedupID
	answer        [16]byte
	key, append   number
	sent, expires stamp
	grace         uint16 // seconds
	chain         uint32
	order         links
}

// number is a key or an append in 6 bytes: at a million a second enough for nine
// years.
type number [3]uint16

func numberOf(n uint64) number { return number{uint16(n), uint16(n >> 16), uint16(n >> 32)} }

func (n number) uint64() uint64 { return uint64(n[0]) | uint64(n[1])<<16 | uint64(n[2])<<32 }

// kept is until when it is remembered.
func (r *memory) kept() Time { return r.expires.time() + 1000*Time(r.grace) }

func (r *memory) due() Time { return wholeSecond(r.kept()) }

func (r *memory) original() Original {
	return Original{
		ID: r.answer, Key: r.key.uint64(), Append: r.append.uint64(),
		Sent: r.sent.time(), Expires: r.expires.time(), Grace: 1000 * Time(r.grace),
	}
}

// before reports whether it is forgotten before another one of the same id.
func (r *memory) before(o *memory) bool {
	s, t := r.kept(), o.kept()
	return s < t || s == t && r.expires.time() < o.expires.time()
}

// answers reports whether a send is the same as the one remembered.
func (r *memory) answers(sent, expires Time) bool {
	if first := r.sent.time(); sent < first {
		return first < expires
	}
	return sent < r.expires.time()
}

// remembered holds deduplication ids until they expire, and for their grace. Time
// bounds it: what is sent within the deduplication interval.
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
			s, t := m.remembered.items.at(a).kept(), m.remembered.items.at(b).kept()
			return s < t || s == t && a < b
		},
	}
)

// hash: the id is a hash already.
func (d DedupID) hash() uint64 { return binary.LittleEndian.Uint64(d[:]) }

// each visits what is remembered of an id. visit must not drop any: that may deal
// the chain anew.
func (r *remembered) each(id DedupID, visit func(uint32, *memory)) {
	if r == nil {
		return
	}
	for i := r.ids.first(id.hash()); i != 0; {
		o := r.items.at(i)
		if o.id == id {
			visit(i, o)
		}
		i = o.chain
	}
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
// is remembered and the two are the same: the later one was sent before the earlier
// one expired, whichever came here first. Both times are the sender's.
func (m *Machine) Duplicate(id DedupID, sent, expires Time) (o Original, ok bool) {
	m.remembered.each(id, func(_ uint32, r *memory) {
		if r.answers(sent, expires) && (!ok || r.sent.time() < o.Sent) {
			o, ok = r.original(), true
		}
	})
	return o, ok
}

// Remembered returns what is remembered of the send with this id and key.
func (m *Machine) Remembered(id DedupID, key uint64) (o Original, ok bool) {
	m.remembered.each(id, func(_ uint32, r *memory) {
		if r.key.uint64() == key {
			o, ok = r.original(), true
		}
	})
	return o, ok
}

// maxOriginals of one id, sent too far apart to be the same.
const maxOriginals = 4

// Remember keeps an answer until o.Expires and for o.Grace, live or in a replay. It
// replaces what it is the same as, and of more than maxOriginals the one that would
// be forgotten first. A following Advance reports what was replaced in
// Changes.Forgotten: there is one report for every call.
func (m *Machine) Remember(id DedupID, o Original) {
	if m.remembered == nil {
		m.remembered = new(remembered)
	}
	r := m.remembered
	replace := func(i uint32) {
		r.replaced = append(r.replaced, r.items.at(i).original())
		m.dropMemory(i)
	}
	var buf [maxOriginals]uint32
	same, others, first := buf[:0], 0, uint32(0)
	r.each(id, func(i uint32, old *memory) {
		if old.answers(o.Sent, o.Expires) {
			same = append(same, i)
			return
		}
		if others++; first == 0 || old.before(r.items.at(first)) {
			first = i
		}
	})
	for _, i := range same {
		replace(i)
	}
	i := r.items.alloc()
	n := r.items.at(i)
	*n = memory{
		id: id, answer: o.ID, key: numberOf(o.Key), append: numberOf(o.Append),
		sent: stampOf(o.Sent), expires: stampOf(o.Expires),
		grace: uint16(min(max(o.Grace+999, 0)/1000, MaxGrace/1000)),
	}
	r.ids.add(m, &byID, i)
	r.order.add(m, &byExpiry, i)
	if others >= maxOriginals {
		if n.before(r.items.at(first)) {
			first = i
		}
		replace(first)
	}
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
