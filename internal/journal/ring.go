package journal

import (
	"slices"
	"sync"
)

// ring counts for each append what lives in it. Sequences follow one another, so it is an array with a
// moving start: 16 bytes an append that is not trimmed yet.
type ring struct {
	mu    sync.Mutex
	slots []slot
	head  int    // index of base in slots
	base  uint64 // first sequence that is not trimmed
	front uint64 // no append before it has a live item (base..front is dead); it may still rise
	end   uint64 // one after the last sequence with a slot

	dead    int64 // bytes of appends before the front that are not trimmed
	bytes   int64 // of appends from front on
	live    int64 // bytes that live items need, at most an append's own size each
	items   int64
	floor   int64 // bytes below which no rewriting is asked for, set once
	scarce  int64 // bytes of garbage from which on rewriting is asked for because space is scarce; 0: it is not
	room    int64 // bytes that may wait to be trimmed until rewriting waits for it; 0: any
	asked   bool  // rewriting was asked for, and the front has not moved since
	askedAt uint64

	stale []uint64 // entries that do not count, ascending; few
}

type slot struct {
	total uint32 // bytes of the append; 0 until it is sealed
	items uint32 // live items
	live  uint64 // their bytes; more than total if several need the same bytes
}

// need is how many bytes live items need. What is still being gathered has no
// size yet, and is needed as a whole: or else a log of which much was just written
// again would at once seem to be garbage, and be written again without end.
func (s *slot) need() int64 {
	if s.total == 0 {
		return int64(s.live)
	}
	return int64(min(s.live, uint64(s.total)))
}

// start says where the log begins. Nothing was added yet.
func (r *ring) start(first uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.base, r.front, r.end = first, first, first
}

// at is the slot of a sequence, made if the ring does not reach so far yet; nil for what is trimmed. mu is
// held. Callers pass only sequences that this journal gave out or replayed, which bounds the ring.
func (r *ring) at(seq uint64) *slot {
	if seq < r.base {
		return nil
	}
	for r.end <= seq {
		r.slots = append(r.slots, slot{})
		r.end++
	}
	return &r.slots[r.head+int(seq-r.base)]
}

// add registers an append's size.
func (r *ring) add(seq uint64, total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.at(seq)
	if s == nil {
		return
	}
	r.live -= s.need()
	s.total = uint32(total)
	r.live += s.need()
	if seq >= r.front {
		r.bytes += int64(total)
	} else {
		r.dead += int64(total)
	}
}

func (r *ring) retain(seq uint64, items, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.at(seq)
	if s == nil {
		return
	}
	r.live -= s.need()
	s.items += uint32(items)
	s.live += uint64(bytes)
	r.live += s.need()
	r.items += int64(items)
	for r.front > seq { // rare: an owner that retains at once never gets here
		r.front--
		n := int64(r.at(r.front).total)
		r.bytes += n
		r.dead -= n
	}
}

// release returns whether rewriting is due now, and whether the first append that had something live has
// nothing any more.
func (r *ring) release(seq uint64, bytes int) (rewrite, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seq >= r.end {
		return false, false
	}
	s := r.at(seq)
	if s == nil || s.items == 0 {
		return false, false
	}
	r.live -= s.need()
	s.items--
	s.live -= min(uint64(bytes), s.live)
	if s.items == 0 {
		s.live = 0
	}
	r.live += s.need()
	r.items--
	return r.rewriteDue(), s.items == 0 && seq == r.front
}

// scarceDead is how much may wait to be trimmed while space is scarce until rewriting waits for it: so much
// at most, and half of the garbage from which on rewriting is asked for.
const scarceDead = 4 << 20

// worthwhile reports whether garbage outweighs what lives; or, while space is scarce, whether there is as much
// garbage as was said, and what rewriting has freed before is trimmed: it needs room itself. mu is held.
func (r *ring) worthwhile() bool {
	garbage := r.bytes - r.live
	if r.scarce > 0 {
		return garbage >= r.scarce && r.dead < min(scarceDead, max(r.scarce/2, 1))
	}
	return r.bytes > r.floor && garbage > r.live && !r.crowded()
}

// rewriteDue says whether rewriting is worthwhile, once for each time that the front has moved. mu is held.
func (r *ring) rewriteDue() bool {
	if !r.worthwhile() {
		r.asked = false
		return false
	}
	if r.asked && r.askedAt == r.front {
		return false
	}
	r.asked, r.askedAt = true, r.front
	return true
}

// advance moves the front over dead appends before limit and returns it.
func (r *ring) advance(limit uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.move(limit)
	return r.front
}

func (r *ring) move(limit uint64) {
	for r.front < limit && r.front < r.end {
		s := r.at(r.front)
		if s.items > 0 {
			return
		}
		r.bytes -= int64(s.total)
		r.dead += int64(s.total)
		r.front++
	}
}

// review says whether something before last can be trimmed, and whether rewriting is due.
func (r *ring) review(last uint64) (trim, rewrite bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.move(last)
	return r.front > r.base, r.rewriteDue()
}

// retry has rewriting asked for again though the front has not moved.
func (r *ring) retry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = false
}

// pass notes that an entry does not count: a former owner stored it after it was fenced.
func (r *ring) pass(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stale = append(r.stale, seq)
}

// short says that space is scarce, or that it no longer is, and returns whether that is news.
func (r *ring) short(garbage int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := r.scarce != garbage
	r.scarce = garbage
	return news
}

// crowded reports whether so much waits to be trimmed that rewriting waits for it, though space is not scarce.
// mu is held.
func (r *ring) crowded() bool { return r.scarce == 0 && r.room > 0 && r.dead >= r.room }

// held is crowded, and the bound.
func (r *ring) held() (bool, int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.crowded(), r.room
}

// within bounds what may wait to be trimmed until rewriting waits for it, and returns whether that is news.
func (r *ring) within(bytes int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := r.room != bytes
	r.room = bytes
	return news
}

// shortBy is from how many bytes of garbage on rewriting is asked for because space is scarce; 0: it is not.
func (r *ring) shortBy() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.scarce
}

// step goes from the first append that is not trimmed towards before until it has passed so many bytes. It
// returns where the log may begin then, and what it passed. A log never begins with an entry that does not
// count: only what stands before it says so.
func (r *ring) step(before uint64, enough int64) (to uint64, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before = min(before, r.end)
	for to = r.base; to < before && (bytes < enough || r.passed(to)); to++ {
		bytes += int64(r.at(to).total)
	}
	for to > r.base && r.passed(to) {
		to--
		bytes -= int64(r.at(to).total)
	}
	return to, bytes
}

// passed reports whether an entry does not count. mu is held.
func (r *ring) passed(seq uint64) bool {
	_, found := slices.BinarySearch(r.stale, seq)
	return found
}

// drop forgets the slots before seq: they are trimmed. Nothing at or after the front is dropped.
func (r *ring) drop(before uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before = min(before, r.front)
	if before <= r.base {
		return
	}
	for ; r.base < before; r.base++ {
		r.dead -= int64(r.at(r.base).total)
		r.head++
	}
	for len(r.stale) > 0 && r.stale[0] < before {
		r.stale = r.stale[1:]
	}
	if r.head > len(r.slots)/2 {
		r.slots = append(r.slots[:0:0], r.slots[r.head:]...)
		r.head = 0
	}
}

// first is the first sequence that is not trimmed.
func (r *ring) first() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.base
}

// span returns the last sequence of a read that starts at from, goes over appends with something live
// (and small dead ones between them), and stays within budget bytes; and how many bytes it has. from is
// always part of it. Nothing after last is.
func (r *ring) span(from, last uint64, budget int) (to uint64, bytes int) {
	const small = 4 << 10
	r.mu.Lock()
	defer r.mu.Unlock()
	to = from
	if from < r.base || from >= r.end {
		return to, 0
	}
	bytes = int(r.at(from).total)
	sum := bytes
	for seq := from + 1; seq < r.end && seq <= last; seq++ {
		s := r.at(seq)
		sum += int(s.total)
		if sum > budget || s.items == 0 && s.total > small {
			break
		}
		if s.items > 0 {
			to, bytes = seq, sum
		}
	}
	return to, bytes
}

// oldest lists the first appends with live items, up to last, until their sizes reach maxBytes.
func (r *ring) oldest(last uint64, maxBytes int) []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []uint64
	for seq, sum := r.front, 0; seq < r.end && seq <= last && sum < maxBytes; seq++ {
		if s := r.at(seq); s.items > 0 {
			found = append(found, seq)
			sum += int(s.total)
		}
	}
	return found
}
