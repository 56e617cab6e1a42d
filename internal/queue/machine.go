package queue

import "hash/maphash"

// state of an entry.
type state uint8

const (
	visible  state = iota + 1 // in its group's line
	delayed                   // on the timers
	inFlight                  // on the timers, or just being received
)

// entry is one message: 96 bytes without pointers.
type entry struct {
	key, append      uint64
	offset, length   uint32
	receives, source uint32
	group            uint32
	name             uint32 // in nameTable.items; 0: none
	line             links  // in the group's line, or its late list (FIFO: always in one)
	timer            links  // in timers
	age              links  // in ages
	attempt          uint32 // the receive attempt that holds it in flight
	sent, visibleAt  stamp
	first, last      stamp
	state            state
	late             bool // in the group's late list instead of its line
}

// stamp is a Time in 6 bytes, which reach 4,400 years to either side of 1970.
type stamp [3]uint16

const maxStamp = 1<<47 - 1

func stampOf(t Time) stamp {
	t = min(max(t, -maxStamp), maxStamp)
	return stamp{uint16(t), uint16(t >> 16), uint16(t >> 32)}
}

func (s stamp) time() Time {
	return Time(int64(uint64(s[0])<<16|uint64(s[1])<<32|uint64(s[2])<<48) >> 16)
}

// Machine is the state of one queue. It is not safe for concurrent use. Empty it
// takes about half a kilobyte.
type Machine struct {
	cfg     Config
	nextKey uint64

	entries slab[entry]
	enough  int // chunks of entries that are not worth compacting
	keys    keyTable
	timers  timeline // delayed and in flight, byTime
	ages    timeline // all, byAge

	groups    slab[group]
	names     index  // byName
	recent    uint32 // the group that was joined last; 0: none
	seed      maphash.Seed
	ring      groupList // groups that can be served, in the order of turns
	unsettled groupList // groups with a late list

	visible, inFlight, delayed int
	bytes                      int64

	remembered *remembered // nil: nothing
	attempts   *attempts   // nil: none
	named      *nameTable  // nil: none
}

// The orders of messages.
var (
	byTime = ordering{
		links: func(m *Machine, i uint32) *links { return &m.entries.at(i).timer },
		less: func(m *Machine, a, b uint32) bool {
			x, y := m.entries.at(a), m.entries.at(b)
			s, t := x.visibleAt.time(), y.visibleAt.time()
			return s < t || s == t && x.key < y.key
		},
	}
	byAge = ordering{
		links: func(m *Machine, i uint32) *links { return &m.entries.at(i).age },
		less: func(m *Machine, a, b uint32) bool {
			x, y := m.entries.at(a), m.entries.at(b)
			s, t := x.sent.time(), y.sent.time()
			return s < t || s == t && x.key < y.key
		},
	}
)

// New returns an empty machine.
func New(cfg Config) *Machine {
	m := &Machine{nextKey: 1, enough: enoughFew, seed: maphash.MakeSeed()}
	m.setConfig(cfg)
	return m
}

func (m *Machine) setConfig(cfg Config) {
	if cfg.MaxInFlight <= 0 {
		cfg.MaxInFlight = DefaultMaxInFlight
	}
	m.cfg = cfg
}

// Configure changes the terms for the messages that are here, too, without
// visiting them: a changed Retention shows in the next Advance, and after
// MaxReceives was lowered, messages beyond it are found as they are received.
// FIFO cannot change.
func (m *Machine) Configure(now Time, cfg Config) {
	cfg.FIFO = m.cfg.FIFO
	m.setConfig(cfg)
}

// NextKey returns the key that the next Insert should use, without taking it.
func (m *Machine) NextKey() uint64 { return m.nextKey }

// SetNextKey raises NextKey to k (replay of a snapshot). It never lowers it.
func (m *Machine) SetNextKey(k uint64) { m.nextKey = max(m.nextKey, k) }

// Insert adds a message, live or in a replay, in the state msg says: in flight
// (InFlight, VisibleAt after now), delayed (VisibleAt after now) or visible. It
// raises NextKey above msg.Key. If the key is here already, only the payload's
// place (Append, Offset, Len) changes: it was written again.
//
// Keys rise in live use. In a replay they may come in any order; a FIFO queue
// then sorts each group once, at the next Receive, Peek or Available.
func (m *Machine) Insert(now Time, msg Message) {
	if msg.Key >= m.nextKey {
		m.nextKey = msg.Key + 1
	} else if i := m.find(msg.Key); i != 0 {
		e := m.entries.at(i)
		m.bytes += int64(msg.Len) - int64(e.length)
		e.append, e.offset, e.length = msg.Append, msg.Offset, msg.Len
		return
	}
	i := m.entries.alloc()
	e := m.entries.at(i)
	e.key, e.append, e.offset, e.length = msg.Key, msg.Append, msg.Offset, msg.Len
	e.sent, e.first, e.last = stampOf(msg.Sent), stampOf(msg.FirstReceived), stampOf(msg.LastReceived)
	e.receives, e.source = msg.Receives, msg.Source
	e.group = m.join(msg.Group)
	m.keys.add(m, msg.Key, i)
	m.ages.add(m, &byAge, i)
	m.bytes += int64(e.length)
	if m.cfg.FIFO {
		m.enqueue(i, e)
	}
	switch {
	case msg.InFlight:
		m.hide(now, i, e, msg.VisibleAt)
	case msg.VisibleAt > now:
		e.state, e.visibleAt = delayed, stampOf(msg.VisibleAt)
		m.delayed++
		m.timers.add(m, &byTime, i)
	default:
		m.show(i, e)
	}
	m.check(e.group)
}

// ApplyReceive repeats a receive: the message has been received receives times,
// and is hidden until hiddenUntil (visible, if that is not after now).
func (m *Machine) ApplyReceive(now Time, key uint64, receives uint32, first, last, hiddenUntil Time) {
	i := m.find(key)
	if i == 0 {
		return
	}
	e := m.entries.at(i)
	e.receives, e.first, e.last = receives, stampOf(first), stampOf(last)
	m.rehide(now, i, e, hiddenUntil)
}

// ChangeVisibility hides a message in flight until another time. If that is not
// after now, the message is visible at once: at the end of its group's line on
// a standard queue, in its place on a FIFO queue; if it has been received
// MaxReceives times, the next Advance reports it dead instead.
//
// receive is the number of the receive whose handle is used. Errors:
// ErrNotFound, ErrStale, ErrNotInFlight. The total of 12 hours since the receive
// is for the caller to check (Message.LastReceived).
func (m *Machine) ChangeVisibility(now Time, key uint64, receive uint32, until Time) (Message, error) {
	i := m.find(key)
	if i == 0 {
		return Message{}, ErrNotFound
	}
	e := m.entries.at(i)
	if e.receives != receive {
		return Message{}, ErrStale
	}
	if e.state != inFlight || e.visibleAt.time() <= now {
		return Message{}, ErrNotInFlight
	}
	m.rehide(now, i, e, until)
	return m.message(e), nil
}

// ApplyVisibility repeats a change of visibility.
func (m *Machine) ApplyVisibility(now Time, key uint64, until Time) {
	if i := m.find(key); i != 0 {
		m.rehide(now, i, m.entries.at(i), until)
	}
}

// Delete removes a message that was received. receive must be the number of its
// last receive. Errors: ErrNotFound; ErrStale; ErrExpired on a FIFO queue if its
// visibility timeout ran out. A standard queue lets the last receiver delete
// also a message that is visible again.
func (m *Machine) Delete(now Time, key uint64, receive uint32) (Message, error) {
	i := m.find(key)
	if i == 0 {
		return Message{}, ErrNotFound
	}
	e := m.entries.at(i)
	if e.receives != receive || receive == 0 {
		return Message{}, ErrStale
	}
	if m.cfg.FIFO && (e.state != inFlight || e.visibleAt.time() <= now) {
		return Message{}, ErrExpired
	}
	return m.drop(i), nil
}

// Remove takes a message out whatever its state (replay, moves).
func (m *Machine) Remove(key uint64) (Message, bool) {
	i := m.find(key)
	if i == 0 {
		return Message{}, false
	}
	return m.drop(i), true
}

// Get returns a message.
func (m *Machine) Get(key uint64) (Message, bool) {
	i := m.find(key)
	if i == 0 {
		return Message{}, false
	}
	return m.message(m.entries.at(i)), true
}

// Counts returns the number of messages in each state.
func (m *Machine) Counts() Counts {
	c := Counts{Visible: m.visible, InFlight: m.inFlight, Delayed: m.delayed, Bytes: m.bytes, Groups: int(m.groups.n)}
	if m.remembered != nil {
		c.Remembered = int(m.remembered.items.n)
	}
	if m.named != nil {
		c.Names = int(m.named.items.n)
	}
	return c
}

// Oldest returns when the oldest message was sent.
func (m *Machine) Oldest() (Time, bool) {
	if i := m.ages.first(m, &byAge); i != 0 {
		return m.entries.at(i).sent.time(), true
	}
	return 0, false
}

// Each visits all messages in no particular order until fn returns false. fn
// must not call the machine.
func (m *Machine) Each(fn func(Message) bool) {
	m.entries.each(func(_ uint32, e *entry) bool { return fn(m.message(e)) })
}

func (m *Machine) find(key uint64) uint32 { return m.keys.find(key) }

func (m *Machine) message(e *entry) Message { return e.message(m.groups.at(e.group).name) }

func (e *entry) message(group string) Message {
	return Message{
		Key: e.key, Append: e.append, Offset: e.offset, Len: e.length,
		Sent: e.sent.time(), VisibleAt: e.visibleAt.time(), Group: group,
		Receives: e.receives, FirstReceived: e.first.time(), LastReceived: e.last.time(),
		Source: e.source, InFlight: e.state == inFlight,
	}
}

// exhausted reports whether a message must not be received again.
func (m *Machine) exhausted(e *entry) bool {
	return m.cfg.MaxReceives > 0 && int64(e.receives) >= int64(m.cfg.MaxReceives)
}

// rehide hides a message in any state until a time.
func (m *Machine) rehide(now Time, i uint32, e *entry, until Time) {
	m.detach(i, e)
	m.hide(now, i, e, until)
	m.check(e.group)
}

// hide puts a detached message in flight until a time, or shows it if that has
// come. A message that would have to die stays in flight for Advance to report.
func (m *Machine) hide(now Time, i uint32, e *entry, until Time) {
	if until <= now && !m.exhausted(e) {
		m.show(i, e)
		return
	}
	e.state, e.visibleAt = inFlight, stampOf(until)
	m.inFlight++
	m.timers.add(m, &byTime, i)
}

// show makes a detached message visible.
func (m *Machine) show(i uint32, e *entry) {
	e.state, e.visibleAt = visible, stamp{}
	m.visible++
	if !m.cfg.FIFO {
		m.enqueue(i, e)
	}
}

// detach takes a message out of the state it is in. The caller puts it into
// another (or drops it) and calls check. On a FIFO queue it keeps its place in
// the line.
func (m *Machine) detach(i uint32, e *entry) {
	switch e.state {
	case visible:
		m.visible--
		if !m.cfg.FIFO {
			m.dequeue(i, e)
		}
	case delayed:
		m.delayed--
		m.timers.remove(m, &byTime, i)
	case inFlight:
		m.inFlight--
		m.timers.remove(m, &byTime, i)
		if e.attempt != 0 {
			m.dropAttempt(e.attempt)
		}
	}
}

// drop removes a message altogether.
func (m *Machine) drop(i uint32) Message {
	e := m.entries.at(i)
	msg := m.message(e)
	m.detach(i, e)
	if m.cfg.FIFO {
		m.dequeue(i, e)
	}
	m.ages.remove(m, &byAge, i)
	m.keys.remove(m, e.key)
	if e.name != 0 {
		m.dropName(e.name)
	}
	m.bytes -= int64(e.length)
	m.leave(e.group)
	m.entries.free(i)
	return msg
}
