package registry

import (
	"fmt"
	"maps"
	"slices"
)

// opaque is a definition of a kind that this release does not know. It is kept as
// it is, so that a newer node finds it again.
type opaque struct {
	Meta
	version byte
	body    []byte
}

// opaqueMemory keeps definitions of one unknown kind.
type opaqueMemory struct {
	tag  byte
	defs map[fullName]*opaque
}

func (m *opaqueMemory) revision(name fullName) uint64 {
	if d := m.defs[name]; d != nil {
		return d.Revision
	}
	return 0
}

// openOpaque reads of a definition what all kinds have.
func openOpaque(s sealed) (*opaque, error) {
	d := &opaque{version: s.version, body: append([]byte(nil), s.body...)}
	if err := decMode.Unmarshal(s.body, &d.Meta); err != nil {
		return nil, fmt.Errorf("registry: decode a definition of the unknown kind %d: %w", s.tag, err)
	}
	if d.ID == 0 || !d.fullName().valid() {
		return nil, fmt.Errorf("registry: decode a definition of the unknown kind %d: without an ID or a valid name", s.tag)
	}
	d.Revision = s.revision
	return d, nil
}

func (m *opaqueMemory) put(v any) (old, now any) {
	d := v.(*opaque)
	name := d.fullName()
	m.defs[name] = d
	return nil, nil // nobody is told
}

func (m *opaqueMemory) remove(name fullName, id uint64) any {
	d := m.defs[name]
	if d == nil || d.ID != id {
		return nil
	}
	delete(m.defs, name)
	return nil // nobody is told
}

func (m *opaqueMemory) size() int { return len(m.defs) }

func (m *opaqueMemory) walk(after fullName, fn func(fullName, []byte) bool) error {
	for _, name := range slices.SortedFunc(maps.Keys(m.defs), fullName.compare) {
		if name.compare(after) <= 0 {
			continue
		}
		d := m.defs[name]
		if !fn(name, sealed{m.tag, d.version, d.Revision, d.body}.append(nil)) {
			return nil
		}
	}
	return nil
}

// differences of an unknown kind concern nobody.
func (m *opaqueMemory) differences(content, func(old, now any)) {}
