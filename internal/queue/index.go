package queue

import "math/bits"

// index finds items of a slab by a hash. It is a linear hash table: it grows and
// shrinks by one bucket at a time, so no call ever pays for rehashing all, and
// chains run through the items, so an item costs 4 bytes here and 4 in itself.
type index struct {
	heads pages
	count uint32
}

// hashing says how the items of an index are hashed and chained.
type hashing struct {
	hash func(m *Machine, i uint32) uint64
	next func(m *Machine, i uint32) *uint32 // the chain's link inside item i
}

// fewHeads is how many buckets an index keeps when it is empty.
const fewHeads = 4

func (x *index) bucket(h uint64) uint32 {
	n := x.heads.n
	mask := uint32(1)<<bits.Len32(n-1) - 1
	b := uint32(h) & mask
	if b >= n {
		b &= mask >> 1
	}
	return b
}

// first returns the first item of the chain that h belongs to, or 0. The caller
// compares, and goes on by the items' own links.
func (x *index) first(h uint64) uint32 {
	if x.heads.n == 0 {
		return 0
	}
	return *x.heads.at(x.bucket(h))
}

func (x *index) put(m *Machine, by *hashing, i uint32) {
	head := x.heads.at(x.bucket(by.hash(m, i)))
	*by.next(m, i) = *head
	*head = i
}

func (x *index) add(m *Machine, by *hashing, i uint32) {
	if x.heads.n == 0 {
		x.heads.push(0)
	}
	x.put(m, by, i)
	x.count++
	if x.count > x.heads.n {
		x.heads.push(0)
		n := x.heads.n - 1
		x.deal(m, by, n&^(1<<(bits.Len32(n)-1))) // n without its top bit
	}
}

// deal takes the chain of bucket b apart and puts its items where they belong now.
func (x *index) deal(m *Machine, by *hashing, b uint32) {
	head := x.heads.at(b)
	i := *head
	*head = 0
	for i != 0 {
		next := *by.next(m, i)
		x.put(m, by, i)
		i = next
	}
}

// remove takes i out; it must be in.
func (x *index) remove(m *Machine, by *hashing, i uint32) {
	*x.link(m, by, i) = *by.next(m, i)
	*by.next(m, i) = 0
	x.count--
	for k := 0; k < 2 && x.heads.n > fewHeads && x.count < x.heads.n/2; k++ {
		i := x.heads.pop()
		for i != 0 {
			next := *by.next(m, i)
			x.put(m, by, i)
			i = next
		}
	}
}

// link returns the link that points at i.
func (x *index) link(m *Machine, by *hashing, i uint32) *uint32 {
	p := x.heads.at(x.bucket(by.hash(m, i)))
	for *p != i {
		p = by.next(m, *p)
	}
	return p
}

// mix spreads keys over the low bits, but keeps 16 consecutive keys together:
// they are used one after the other, and their buckets share a cache line.
func mix(key uint64) uint64 {
	h := (key >> 4) * 0x9E3779B97F4A7C15
	return (h^h>>32)<<4 | key&15
}
