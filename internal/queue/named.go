package queue

// named is one message that has a name: 24 bytes without pointers.
type named struct {
	name  DedupID
	entry uint32 // the message, whose name points back
	chain uint32 // in nameTable.ids
}

// nameTable finds messages by the hash of a name, for those that are replaced or
// cancelled by it. It takes about 30 bytes a name.
type nameTable struct {
	items slab[named]
	ids   index // byNamed
}

var byNamed = hashing{
	hash: func(m *Machine, i uint32) uint64 { return m.named.items.at(i).name.hash() },
	next: func(m *Machine, i uint32) *uint32 { return &m.named.items.at(i).chain },
}

func (t *nameTable) find(name DedupID) uint32 {
	if t == nil {
		return 0
	}
	i := t.ids.first(name.hash())
	for i != 0 && t.items.at(i).name != name {
		i = t.items.at(i).chain
	}
	return i
}

// Name gives a name to the message of that key, until it is gone. Another message
// of that name loses it. It does nothing if there is no such message.
func (m *Machine) Name(key uint64, name DedupID) {
	i := m.find(key)
	if i == 0 {
		return
	}
	if n := m.named.find(name); n != 0 {
		m.dropName(n)
	}
	e := m.entries.at(i)
	if e.name != 0 {
		m.dropName(e.name)
	}
	if m.named == nil {
		m.named = new(nameTable)
	}
	t := m.named
	e.name = t.items.alloc()
	*t.items.at(e.name) = named{name: name, entry: i}
	t.ids.add(m, &byNamed, e.name)
}

// Named returns the key of the message that has the name.
func (m *Machine) Named(name DedupID) (key uint64, ok bool) {
	if n := m.named.find(name); n != 0 {
		return m.entries.at(m.named.items.at(n).entry).key, true
	}
	return 0, false
}

// NameOf returns the name of the message of that key.
func (m *Machine) NameOf(key uint64) (name DedupID, ok bool) {
	if i := m.find(key); i != 0 {
		if n := m.entries.at(i).name; n != 0 {
			return m.named.items.at(n).name, true
		}
	}
	return DedupID{}, false
}

// dropName takes away the name numbered n from the message that has it.
func (m *Machine) dropName(n uint32) {
	t := m.named
	m.entries.at(t.items.at(n).entry).name = 0
	t.ids.remove(m, &byNamed, n)
	t.items.free(n)
	if t.items.n == 0 {
		m.named = nil
	}
}
