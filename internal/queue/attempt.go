package queue

import "slices"

// attempt is a receive that can be repeated: 80 bytes without pointers. It is
// there as long as all its messages are in flight as it left them.
type attempt struct {
	id       DedupID
	expires  Time
	messages [MaxBatch]uint32
	n        uint16
	repeated bool
	chain    uint32
	order    links
}

func (a *attempt) due() Time { return wholeSecond(a.expires) }

// attempts is bounded by the in-flight limit: each attempt holds at least one
// message in flight, and each such message belongs to one attempt at most.
type attempts struct {
	items slab[attempt]
	ids   index    // byAttempt
	order timeline // byAttemptExpiry
}

var (
	byAttempt = hashing{
		hash: func(m *Machine, a uint32) uint64 { return m.attempts.items.at(a).id.hash() },
		next: func(m *Machine, a uint32) *uint32 { return &m.attempts.items.at(a).chain },
	}
	byAttemptExpiry = ordering{
		links: func(m *Machine, a uint32) *links { return &m.attempts.items.at(a).order },
		less: func(m *Machine, a, b uint32) bool {
			x, y := m.attempts.items.at(a), m.attempts.items.at(b)
			return x.expires < y.expires || x.expires == y.expires && a < b
		},
	}
)

func (s *attempts) find(id DedupID) uint32 {
	if s == nil {
		return 0
	}
	i := s.ids.first(id.hash())
	for i != 0 && s.items.at(i).id != id {
		i = s.items.at(i).chain
	}
	return i
}

// firstAttempt is the attempt that expires first, 0 for none.
func (m *Machine) firstAttempt() uint32 {
	if m.attempts == nil {
		return 0
	}
	return m.attempts.order.first(m, &byAttemptExpiry)
}

// addAttempt notes that these messages were received together. Messages that
// are not in flight after all (visibility timeout 0) cannot be repeated.
func (m *Machine) addAttempt(now Time, id DedupID, expires Time, messages []uint32) {
	if old := m.attempts.find(id); old != 0 {
		m.dropAttempt(old)
	}
	if expires <= now || len(messages) == 0 || len(messages) > MaxBatch {
		return
	}
	for _, i := range messages {
		if e := m.entries.at(i); e.state != inFlight || e.visibleAt.time() <= now {
			return
		}
	}
	for _, i := range messages {
		if other := m.entries.at(i).attempt; other != 0 {
			m.dropAttempt(other)
		}
	}
	if m.attempts == nil {
		m.attempts = new(attempts)
	}
	a := m.attempts.items.alloc()
	at := m.attempts.items.at(a)
	at.id, at.expires, at.n = id, expires, uint16(copy(at.messages[:], messages))
	for _, i := range messages {
		m.entries.at(i).attempt = a
	}
	m.attempts.ids.add(m, &byAttempt, a)
	m.attempts.order.add(m, &byAttemptExpiry, a)
}

func (m *Machine) dropAttempt(a uint32) {
	at := m.attempts.items.at(a)
	for _, i := range at.messages[:at.n] {
		m.entries.at(i).attempt = 0
	}
	m.attempts.order.remove(m, &byAttemptExpiry, a)
	m.attempts.ids.remove(m, &byAttempt, a)
	m.attempts.items.free(a)
	if m.attempts.items.n == 0 {
		m.attempts = nil
	}
}

// repeat answers a repeated attempt, or returns nil if it has to be a new one.
func (m *Machine) repeat(now Time, args ReceiveArgs) []Message {
	a := m.attempts.find(*args.Attempt)
	if a == 0 {
		return nil
	}
	at := m.attempts.items.at(a)
	if at.expires <= now {
		return nil
	}
	var buf [MaxBatch]uint32
	messages := buf[:copy(buf[:], at.messages[:at.n])]
	for _, i := range messages {
		if m.entries.at(i).visibleAt.time() <= now {
			return nil // its end is only waiting for Advance
		}
	}
	m.dropAttempt(a)
	got := make([]Message, 0, len(messages))
	for _, i := range messages {
		e := m.entries.at(i)
		m.rehide(now, i, e, args.HideUntil)
		got = append(got, m.message(e))
	}
	m.addAttempt(now, *args.Attempt, args.AttemptExpires, messages)
	if a := m.attempts.find(*args.Attempt); a != 0 {
		m.attempts.items.at(a).repeated = true
	}
	return got
}

// Repeated reports whether an attempt was repeated since it received what it holds
// (or since it was replayed); not ok when it can not be repeated (any more).
func (m *Machine) Repeated(id DedupID) (repeated, ok bool) {
	if a := m.attempts.find(id); a != 0 {
		return m.attempts.items.at(a).repeated, true
	}
	return false, false
}

// ApplyAttempt repeats that the messages of these keys were received by one
// attempt; it comes after their ApplyReceive. If any is not in flight (any
// more), the attempt is not worth remembering.
func (m *Machine) ApplyAttempt(now Time, id DedupID, expires Time, keys []uint64) {
	var buf [MaxBatch]uint32
	messages := buf[:0]
	for _, key := range keys {
		i := m.find(key)
		if i == 0 || len(messages) == MaxBatch || slices.Contains(messages, i) {
			messages = messages[:0]
			break
		}
		messages = append(messages, i)
	}
	m.addAttempt(now, id, expires, messages)
}

// AttemptOf returns the attempt that holds a message in flight, with the keys of
// all its messages: for writing it down again, to be replayed by ApplyAttempt after
// the messages. ok is false if none does.
func (m *Machine) AttemptOf(key uint64) (id DedupID, expires Time, keys []uint64, ok bool) {
	i := m.find(key)
	if i == 0 || m.entries.at(i).attempt == 0 {
		return DedupID{}, 0, nil, false
	}
	a := m.attempts.items.at(m.entries.at(i).attempt)
	for _, i := range a.messages[:a.n] {
		keys = append(keys, m.entries.at(i).key)
	}
	return a.id, a.expires, keys, true
}

// forgetAttempts drops attempts that expired.
func (m *Machine) forgetAttempts(now Time) {
	for k := 0; k < advanceStep; k++ {
		a := m.firstAttempt()
		if a == 0 || m.attempts.items.at(a).due() > now {
			return
		}
		m.dropAttempt(a)
	}
}
