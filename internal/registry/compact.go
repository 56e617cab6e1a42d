package registry

import (
	"context"
	"maps"
	"slices"

	"github.com/waystation/waystation/internal/logkey"
)

// The log grows with every change. Once what it holds is more than twice what
// there is, all definitions are written again, a part with each entry that is
// stored anyway, or by themselves; when the walk is through, the log is whole from
// where it began: this is the new floor, and what stands before it is removed. A
// definition that is written again is as it was before that entry, since the entry is
// only stored if it is the next one; so it stands before the entry's own changes.

const (
	// minGarbage is how many items more than needed are left alone.
	minGarbage = 10_000
	// maxKeeps is how many bytes of definitions written again an entry takes.
	maxKeeps = 256 << 10
)

// walk is how far all definitions were written again.
type walk struct {
	begin      uint64 // revision of its first entry
	beginTotal uint64 // items before it
	tag        byte   // the kind it is at
	after      fullName
}

// due reports whether it is time for a walk. One of another node that goes on is
// waited for.
func (s *state) due(least uint64) bool {
	return s.total-s.floorTotal > 2*uint64(s.size())+least && s.quiet >= least
}

// keep adds to an entry what the walk writes again. Call with r.mu held.
func (r *Registry) keep(b *batch, size int) {
	s := r.state
	w := r.walk
	if w != nil && w.begin <= s.floor {
		w = nil // another node was faster
	}
	if w == nil && s.due(r.minGarbage) {
		w = &walk{begin: b.revision, beginTotal: s.total}
	}
	if w == nil {
		return
	}
	next := *w
	room := maxKeeps - size
	var keeps []item
	defer func() {
		if len(keeps) > 0 {
			b.items = append(keeps, b.items...)
			b.flags |= flagKeeps
		}
	}()
	for _, tag := range slices.Sorted(maps.Keys(s.contents)) {
		if tag < next.tag {
			continue
		}
		if tag > next.tag {
			next.tag, next.after = tag, fullName{}
		}
		full := false
		err := s.contents[tag].walk(next.after, func(name fullName, encoded []byte) bool {
			if full = room <= 0; full {
				return false
			}
			room -= len(encoded)
			keeps = append(keeps, item{opKeep, encoded})
			next.after = name
			return true
		})
		if err != nil {
			r.log.Error("definitions cannot be written again, the log is not trimmed", logkey.Error, err)
			keeps = nil
			return
		}
		if full {
			b.walk = &next
			return
		}
	}
	b.floor, b.floorTotal = next.begin, next.beginTotal
	b.trim = next.begin
}

// trim removes the entries before a revision. It may fail: the next one takes
// them along.
func (r *Registry) trim(ctx context.Context, before uint64) {
	if before == 0 {
		return
	}
	r.mu.RLock()
	seq := r.state.seq - (r.state.revision - before)
	r.mu.RUnlock()
	if err := r.cfg.Log.Purge(ctx, seq); err != nil && ctx.Err() == nil {
		r.log.Warn("old entries of the definitions cannot be removed just now", logkey.Error, err)
	}
}
