package pattern

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Set finds those of many patterns that an event matches. Match is lock-free and may
// run while Add and Remove do; it sees every Add and Remove that returned before it
// began, and of those under way each wholly or not at all.
type Set struct {
	writing sync.Mutex
	ids     map[string]*entry // by id, guarded by writing
	now     atomic.Pointer[snapshot]
}

// snapshot is what a set holds after one change, the version counting the changes.
type snapshot struct {
	version  uint64
	segments []*segment // by size class, nil where there is none
}

// entry is a pattern of a set.
type entry struct {
	id      string
	pattern *Pattern
	home    *segment      // where it is, guarded by writing
	until   atomic.Uint64 // the first version without it, 0: none yet
}

func (e *entry) in(version uint64) bool {
	until := e.until.Load()
	return until == 0 || version < until
}

// segment is an immutable index over some entries. A set holds one of each size
// class, a class being tierGrowth times the one below: an Add rebuilds the smallest
// one mostly.
type segment struct {
	entries []*entry
	removed int // of the entries, guarded by the set's writing
	paths   *paths
	root    *node
}

const (
	tierSmall  = 16
	tierGrowth = 16
	roomFactor = 32 // places in an index for each branch
)

// NewSet makes an empty set.
func NewSet() *Set {
	s := &Set{ids: map[string]*entry{}}
	s.now.Store(&snapshot{})
	return s
}

// Add puts a pattern under an id, in place of the one that was there. It costs time
// in proportion to some 64 patterns, and rarely to all that there are.
func (s *Set) Add(id string, p *Pattern) {
	s.writing.Lock()
	defer s.writing.Unlock()
	next := s.next()
	s.remove(id, next)
	e := &entry{id: id, pattern: p}
	s.ids[id] = e
	add, limit := []*entry{e}, tierSmall
	for i := 0; ; i, limit = i+1, limit*tierGrowth {
		if i == len(next.segments) {
			next.segments = append(next.segments, nil)
		}
		if g := next.segments[i]; g != nil {
			add = append(add, g.live()...)
		}
		if len(add) <= limit {
			next.segments[i] = newSegment(add)
			break
		}
		next.segments[i] = nil
	}
	s.now.Store(next)
}

// Remove takes the pattern of an id away; an unknown id is none. It costs a mark, and
// in proportion to an index when half of what is in that is marked.
func (s *Set) Remove(id string) {
	s.writing.Lock()
	defer s.writing.Unlock()
	next := s.next()
	s.remove(id, next)
	s.now.Store(next)
}

// next makes the snapshot that the change under way is to give.
func (s *Set) next() *snapshot {
	now := s.now.Load()
	return &snapshot{version: now.version + 1, segments: slices.Clone(now.segments)}
}

func (s *Set) remove(id string, next *snapshot) {
	e := s.ids[id]
	if e == nil {
		return
	}
	delete(s.ids, id)
	e.until.Store(next.version)
	g := e.home
	if g.removed++; g.removed >= (len(g.entries)+1)/2 {
		next.segments[slices.Index(next.segments, g)] = newSegment(g.live())
	}
}

// Len gives the number of patterns.
func (s *Set) Len() int {
	s.writing.Lock()
	defer s.writing.Unlock()
	return len(s.ids)
}

func (g *segment) live() (live []*entry) {
	for _, e := range g.entries {
		if e.until.Load() == 0 {
			live = append(live, e)
		}
	}
	return live
}

func newSegment(entries []*entry) *segment {
	if len(entries) == 0 {
		return nil
	}
	g := &segment{entries: entries, paths: newPaths()}
	var rules []*rule
	for _, e := range entries {
		e.home = g
		for _, b := range e.pattern.branches {
			rules = append(rules, &rule{bound: g.paths.bind(b), entry: e})
		}
	}
	b := builder{room: roomFactor * len(rules)}
	g.root = b.node(rules, nil)
	return g
}

// Match gives the ids of the patterns that a JSON object matches, in no order. The
// error is ErrEvent or ErrWork.
func (s *Set) Match(json []byte) ([]string, error) {
	return s.match(func(e *event, p *paths) error { return e.read(p, json) })
}

func (s *Set) match(read func(*event, *paths) error) ([]string, error) {
	var ids []string
	now := s.now.Load()
	checked := false
	for _, g := range now.segments {
		if g == nil {
			continue
		}
		checked = true
		e := newEvent(g.paths.n)
		if err := read(e, g.paths); err != nil {
			e.free()
			return nil, err
		}
		found := map[*entry]bool(nil)
		g.root.find(e, func(r *rule) {
			if !r.entry.in(now.version) || found[r.entry] || !r.matches(e) {
				return
			}
			if found == nil {
				found = map[*entry]bool{}
			}
			found[r.entry] = true
			ids = append(ids, r.entry.id)
		})
		over := e.work > maxWork
		e.free()
		if over {
			return nil, ErrWork
		}
	}
	if !checked {
		e := newEvent(0)
		defer e.free()
		return nil, read(e, newPaths())
	}
	return ids, nil
}
