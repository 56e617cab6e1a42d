package registry

import (
	"errors"
	"fmt"

	"github.com/waystation/waystation/internal/jet"
)

// state is what the log says up to an entry.
type state struct {
	kinds    map[byte]handle
	contents map[byte]content

	seq        uint64   // of the newest entry, in the log
	revision   uint64   // of the newest entry
	sum        checksum // of the newest entry
	floor      uint64   // revision from which on the log is whole
	total      uint64   // items ever written
	floorTotal uint64   // of them, before the floor
	first      uint64   // revision of the first entry that was read
	open       bool     // the log is whole only with entries that are missing yet
	quiet      uint64   // items since the last entry with opKeep items
}

func newState(kinds map[byte]handle) *state {
	s := &state{kinds: kinds, contents: make(map[byte]content)}
	for tag, h := range kinds {
		s.contents[tag] = h.fresh()
	}
	return s
}

// step is one change, decoded.
type step struct {
	tag    byte
	put    any // what the kind's open gave; nil for a deletion
	delete deletion
}

// news is what a step did, for listeners.
type news struct {
	tag      byte
	old, now any
}

// read decodes an entry and makes sure that it is the one that comes next.
func (s *state) read(e jet.Entry) (*entry, error) {
	n, err := decodeEntry(e.Data)
	switch {
	case errors.Is(err, errEntryNewer):
		return nil, &VersionError{What: fmt.Sprintf("entry %d of the definitions", e.Seq), Version: int(e.Data[0]), Known: entryVersion}
	case err != nil:
		return nil, &DamageError{e.Seq, err.Error()}
	case s.seq != 0 && e.Seq != s.seq+1:
		return nil, &DamageError{s.seq + 1, "it is missing"}
	case s.seq == 0 || n.flags&flagBase != 0:
		if n.revision <= s.revision {
			return nil, &DamageError{e.Seq, fmt.Sprintf("its revision is %d, after %d", n.revision, s.revision)}
		}
	case n.revision != s.revision+1 || n.before != s.sum:
		return nil, &DamageError{e.Seq, "it does not belong behind the entry before it"}
	}
	return n, nil
}

// steps decodes the items of an entry. Definitions written again are known unless
// the state is being loaded.
func (s *state) steps(e *entry, loading bool) ([]step, error) {
	list := make([]step, 0, len(e.items))
	for _, it := range e.items {
		switch it.op {
		case opKeep, opPut:
			if it.op == opKeep && !loading {
				continue
			}
			sealed, err := openSealed(it.data)
			if err != nil {
				return nil, err
			}
			st := step{tag: sealed.tag}
			if h := s.kinds[sealed.tag]; h != nil {
				st.put, err = h.open(sealed)
			} else {
				st.put, err = openOpaque(sealed)
			}
			if err != nil {
				return nil, err
			}
			list = append(list, st)
		case opDelete:
			d, err := decodeDeletion(it.data)
			if err != nil {
				return nil, err
			}
			list = append(list, step{tag: d.tag, delete: d})
		default:
			return nil, &VersionError{What: "a change of the definitions", Version: int(it.op), Known: opKeep}
		}
	}
	return list, nil
}

// apply makes the steps of the entry at seq true.
func (s *state) apply(seq uint64, e *entry, steps []step) []news {
	if e.flags&flagBase != 0 {
		s.contents = newState(s.kinds).contents
	}
	list := make([]news, 0, len(steps))
	for i := range steps {
		st := &steps[i]
		c := s.contents[st.tag]
		if c == nil {
			c = &opaqueMemory{tag: st.tag, defs: make(map[fullName]*opaque)}
			s.contents[st.tag] = c
		}
		n := news{tag: st.tag}
		if st.put != nil {
			n.old, n.now = c.put(st.put)
		} else {
			n.old = c.remove(st.delete.name, st.delete.id)
		}
		if n.old != nil || n.now != nil {
			list = append(list, n)
		}
	}
	if s.seq == 0 || e.flags&flagBase != 0 {
		s.first = e.revision
	}
	s.seq, s.revision, s.sum = seq, e.revision, e.sum
	s.floor, s.total, s.floorTotal = e.floor, e.total, e.floorTotal
	s.open = e.flags&flagOpen != 0
	s.quiet += uint64(len(e.items))
	if e.flags&flagKeeps != 0 {
		s.quiet = 0
	}
	return list
}

// whole reports what is missing at the start or the end of what was loaded.
func (s *state) whole() error {
	switch {
	case s.first > s.floor:
		return &DamageError{0, fmt.Sprintf("they begin at revision %d, those from %d on are needed", s.first, s.floor)}
	case s.open:
		return &DamageError{0, "a repair was interrupted: run it again"}
	}
	return nil
}

// size is how many definitions there are.
func (s *state) size() (n int) {
	for _, c := range s.contents {
		n += c.size()
	}
	return n
}
