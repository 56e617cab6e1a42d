package queue

// Remains is what a machine held when it was emptied. Emptying costs the same
// however much there was; whoever keeps account of the messages goes through the
// remains bit by bit.
type Remains struct {
	entries    slab[entry]
	remembered slab[memory]
	replaced   []Original
	chunk      int // the next one of entries, then of remembered
}

// Empty removes everything: messages in any state with their attempts and names,
// and deduplication ids.
func (m *Machine) Empty() *Remains {
	r := &Remains{entries: m.entries}
	if m.remembered != nil {
		r.remembered, r.replaced = m.remembered.items, m.remembered.replaced
	}
	m.entries, m.groups = slab[entry]{}, slab[group]{}
	m.keys, m.names, m.recent = keyTable{}, index{}, 0
	m.timers, m.ages = timeline{}, timeline{}
	m.ring, m.unsettled = groupList{}, groupList{}
	m.visible, m.inFlight, m.delayed, m.bytes = 0, 0, 0, 0
	m.attempts, m.named, m.remembered = nil, nil, nil
	return r
}

// Next visits about n of the messages and of the remembered ids that have not
// been visited, and returns whether more are left. A Message has no Group here.
func (r *Remains) Next(n int, message func(Message), forgotten func(Original)) (more bool) {
	for n > 0 && r.chunk < len(r.entries.chunks) {
		n -= r.entries.eachOf(r.chunk, func(_ uint32, e *entry) bool {
			message(e.message(""))
			return true
		})
		r.entries.chunks[r.chunk] = nil
		r.chunk++
	}
	for n > 0 && r.chunk < len(r.entries.chunks)+len(r.remembered.chunks) {
		k := r.chunk - len(r.entries.chunks)
		n -= r.remembered.eachOf(k, func(_ uint32, o *memory) bool {
			forgotten(o.original())
			return true
		})
		r.remembered.chunks[k] = nil
		r.chunk++
	}
	for ; n > 0 && len(r.replaced) > 0; n-- {
		forgotten(r.replaced[0])
		r.replaced = r.replaced[1:]
	}
	return r.chunk < len(r.entries.chunks)+len(r.remembered.chunks) || len(r.replaced) > 0
}
