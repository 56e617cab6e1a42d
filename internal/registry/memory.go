package registry

import (
	"hash/maphash"
	"strings"

	"github.com/tidwall/btree"
)

// memory holds all definitions of one kind. Its owner guards it.
//
// A definition costs its struct and name, and some 60 bytes for the indexes: they
// hold pointers and hashes, no copies of names.
type memory[T any] struct {
	kind *Kind[T]
	hash func(fullName) uint64

	byHash  map[uint64]*T
	spilled map[fullName]*T // whose hash another one's name has
	byID    map[uint64]*T
	ordered *btree.BTreeG[*T]           // by full name
	indexes []*btree.BTreeG[indexed[T]] // by the kind's indexes, then full name
	counts  map[uint32]int              // by partition
	extras  map[uint64]extra            // by ID: encoded fields that this release does not know
}

// indexed is a definition in an index. A nil def comes first.
type indexed[T any] struct {
	value string
	def   *T
}

// content is memory, whatever the kind.
type content interface {
	// revision is that of the definition with this name, 0 if there is none.
	revision(name fullName) uint64
	// put stores what the kind's open gave, in place of the one with its name, if
	// any. It returns both definitions, old nil if there was none.
	put(opened any) (old, now any)
	// remove takes the definition with this name and ID out and returns it; nil
	// if there is none.
	remove(name fullName, id uint64) (old any)
	size() int
	// walk calls fn for every definition behind name, in order, with its encoded
	// form, until fn returns false.
	walk(after fullName, fn func(name fullName, encoded []byte) bool) error
	// differences calls fn for all that is not the same in old, which may be nil.
	differences(old content, fn func(old, now any))
}

// opened is a decoded definition on its way into memory.
type opened[T any] struct {
	def   *T
	extra extra
}

func newMemory[T any](kind *Kind[T]) *memory[T] {
	m := &memory[T]{
		kind: kind, hash: hashName,
		byHash:  make(map[uint64]*T),
		spilled: make(map[fullName]*T),
		byID:    make(map[uint64]*T),
		counts:  make(map[uint32]int),
		extras:  make(map[uint64]extra),
	}
	opts := btree.Options{NoLocks: true}
	m.ordered = btree.NewBTreeGOptions(func(a, b *T) bool { return m.name(a).compare(m.name(b)) < 0 }, opts)
	for range kind.Indexes {
		m.indexes = append(m.indexes, btree.NewBTreeGOptions(func(a, b indexed[T]) bool {
			switch c := strings.Compare(a.value, b.value); {
			case c != 0:
				return c < 0
			case a.def == nil || b.def == nil:
				return b.def != nil
			}
			return m.name(a.def).compare(m.name(b.def)) < 0
		}, opts))
	}
	return m
}

var seed = maphash.MakeSeed()

func hashName(n fullName) uint64 {
	const odd = 0x9E3779B97F4A7C15 // spreads, so that swapped parts differ
	h := maphash.String(seed, n.account)
	h = h*odd + maphash.String(seed, n.region)
	return h*odd + maphash.String(seed, n.name)
}

func (m *memory[T]) name(def *T) fullName { return m.kind.Meta(def).fullName() }

// get finds a definition by its name; nil if there is none.
func (m *memory[T]) get(name fullName) *T {
	if def := m.byHash[m.hash(name)]; def != nil && m.name(def) == name {
		return def
	}
	if len(m.spilled) > 0 {
		return m.spilled[name]
	}
	return nil
}

func (m *memory[T]) revision(name fullName) uint64 {
	if def := m.get(name); def != nil {
		return m.kind.Meta(def).Revision
	}
	return 0
}

func (m *memory[T]) size() int { return m.ordered.Len() }

func (m *memory[T]) put(v any) (before, now any) {
	o := v.(opened[T])
	def := o.def
	meta := m.kind.Meta(def)
	m.share(def, meta)
	name := meta.fullName()
	old := m.drop(m.get(name))
	h := m.hash(name)
	if m.byHash[h] == nil {
		m.byHash[h] = def
	} else {
		m.spilled[name] = def
	}
	m.byID[meta.ID] = def
	m.ordered.Set(def)
	for i, key := range m.kind.Indexes {
		if value := key(def); value != "" {
			m.indexes[i].Set(indexed[T]{value, def})
		}
	}
	if m.kind.Partition != nil {
		m.counts[m.kind.Partition(def)]++
	}
	if len(o.extra) > 0 {
		m.extras[meta.ID] = o.extra
	}
	if old == nil {
		return nil, def
	}
	return old, def
}

// share lets a definition have the strings of its neighbour where they are equal:
// account and region are, nearly always.
func (m *memory[T]) share(def *T, meta *Meta) {
	with := func(near *T) bool {
		n := m.kind.Meta(near)
		share(&meta.Account, n.Account)
		share(&meta.Region, n.Region)
		if m.kind.Share != nil {
			m.kind.Share(def, near)
		}
		return false
	}
	m.ordered.Ascend(def, with)
	m.ordered.Descend(def, with)
}

func (m *memory[T]) remove(name fullName, id uint64) any {
	def := m.get(name)
	if def == nil || m.kind.Meta(def).ID != id {
		return nil
	}
	m.drop(def)
	return def
}

// drop takes a definition out and returns it; nil if it is nil.
func (m *memory[T]) drop(def *T) *T {
	if def == nil {
		return nil
	}
	meta := m.kind.Meta(def)
	name := meta.fullName()
	if h := m.hash(name); m.byHash[h] == def {
		delete(m.byHash, h)
	} else {
		delete(m.spilled, name)
	}
	delete(m.byID, meta.ID)
	m.ordered.Delete(def)
	for i, key := range m.kind.Indexes {
		if value := key(def); value != "" {
			m.indexes[i].Delete(indexed[T]{value, def})
		}
	}
	if m.kind.Partition != nil {
		m.counts[m.kind.Partition(def)]--
	}
	delete(m.extras, meta.ID)
	return def
}

// pivot makes what a search begins at.
func (m *memory[T]) pivot(name fullName) *T {
	p := new(T)
	meta := m.kind.Meta(p)
	meta.Account, meta.Region, meta.Name = name.account, name.region, name.name
	return p
}

// list returns up to limit definitions of an account and region whose names begin
// with prefix and come after after, in name order, and whether there are more.
func (m *memory[T]) list(account, region, prefix, after string, limit int) (list []*T, more bool) {
	m.ordered.Ascend(m.pivot(fullName{account, region, max(prefix, after)}), func(def *T) bool {
		n := m.name(def)
		if n.account != account || n.region != region || !strings.HasPrefix(n.name, prefix) {
			return false
		}
		if n.name == after {
			return true
		}
		if len(list) >= limit {
			more = true
			return false
		}
		list = append(list, def)
		return true
	})
	return list, more
}

// by returns the definitions that an index gives value, in the order of names.
func (m *memory[T]) by(index int, value string) (list []*T) {
	m.indexes[index].Ascend(indexed[T]{value: value}, func(x indexed[T]) bool {
		if x.value != value {
			return false
		}
		list = append(list, x.def)
		return true
	})
	return list
}

// byPage is by for a page: up to limit definitions behind the one called after, and
// whether there are more.
func (m *memory[T]) byPage(index int, value string, after fullName, limit int) (list []*T, more bool) {
	m.indexes[index].Ascend(indexed[T]{value, m.pivot(after)}, func(x indexed[T]) bool {
		switch {
		case x.value != value:
			return false
		case m.name(x.def) == after:
			return true
		case len(list) >= limit:
			more = true
			return false
		}
		list = append(list, x.def)
		return true
	})
	return list, more
}

func (m *memory[T]) walk(after fullName, fn func(fullName, []byte) bool) (err error) {
	m.ordered.Ascend(m.pivot(after), func(def *T) bool {
		name := m.name(def)
		if name == after {
			return true
		}
		var b []byte
		if b, err = m.kind.encode(def, m.extras[m.kind.Meta(def).ID]); err != nil {
			return false
		}
		return fn(name, b)
	})
	return err
}

func (m *memory[T]) differences(before content, fn func(old, now any)) {
	old, ok := before.(*memory[T])
	if !ok {
		old = newMemory(m.kind)
	}
	old.ordered.Scan(func(def *T) bool {
		if m.byID[m.kind.Meta(def).ID] == nil {
			fn(def, nil)
		}
		return true
	})
	m.ordered.Scan(func(def *T) bool {
		meta := m.kind.Meta(def)
		switch was := old.byID[meta.ID]; {
		case was == nil:
			fn(nil, def)
		case m.kind.Meta(was).Revision != meta.Revision:
			fn(was, def)
		}
		return true
	})
}
