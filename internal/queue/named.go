package queue

// named is one message that has a name: 32 bytes without pointers.
type named struct {
	name        DedupID
	key         uint64
	chain, next uint32 // in the indexes of names and of keys
}

// nameTable finds messages by the hash of a name, for those that are replaced or
// cancelled by it. It takes about 45 bytes a name.
type nameTable struct {
	items  slab[named]
	ids    index // byNamed
	owners index // byNamedKey
}

var (
	byNamed = hashing{
		hash: func(m *Machine, i uint32) uint64 { return m.named.items.at(i).name.hash() },
		next: func(m *Machine, i uint32) *uint32 { return &m.named.items.at(i).chain },
	}
	byNamedKey = hashing{
		hash: func(m *Machine, i uint32) uint64 { return mix(m.named.items.at(i).key) },
		next: func(m *Machine, i uint32) *uint32 { return &m.named.items.at(i).next },
	}
)

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

func (t *nameTable) findKey(key uint64) uint32 {
	if t == nil {
		return 0
	}
	i := t.owners.first(mix(key))
	for i != 0 && t.items.at(i).key != key {
		i = t.items.at(i).next
	}
	return i
}

// Name gives a name to the message of that key, until it is gone. Another message
// of that name loses it. It does nothing if there is no such message.
func (m *Machine) Name(key uint64, name DedupID) {
	if m.find(key) == 0 {
		return
	}
	if m.named == nil {
		m.named = new(nameTable)
	}
	t := m.named
	if i := t.find(name); i != 0 {
		m.dropName(i)
	}
	if i := t.findKey(key); i != 0 {
		m.dropName(i)
	}
	i := t.items.alloc()
	*t.items.at(i) = named{name: name, key: key}
	t.ids.add(m, &byNamed, i)
	t.owners.add(m, &byNamedKey, i)
}

// Named returns the key of the message that has the name.
func (m *Machine) Named(name DedupID) (key uint64, ok bool) {
	if i := m.named.find(name); i != 0 {
		return m.named.items.at(i).key, true
	}
	return 0, false
}

// NameOf returns the name of the message of that key.
func (m *Machine) NameOf(key uint64) (name DedupID, ok bool) {
	if i := m.named.findKey(key); i != 0 {
		return m.named.items.at(i).name, true
	}
	return DedupID{}, false
}

// unname takes away the name of a message that leaves.
func (m *Machine) unname(key uint64) {
	i := m.named.findKey(key)
	if i == 0 {
		return
	}
	if m.dropName(i); m.named.items.n == 0 {
		m.named = nil
	}
}

func (m *Machine) dropName(i uint32) {
	m.named.ids.remove(m, &byNamed, i)
	m.named.owners.remove(m, &byNamedKey, i)
	m.named.items.free(i)
}
