package state

// notes gives small numbers to the notes of messages. Messages with equal notes
// share one, and a note goes with the last of them.
type notes struct {
	list  []noted // 0 is the empty note
	free  []uint32
	tags  map[Note]uint32
	bytes int64
}

type noted struct {
	note Note
	used uint32
}

// noteBytes is what a note takes beside its strings.
const noteBytes = 150

// put returns the number of a note, and counts one more message that has it.
func (t *notes) put(n Note) uint32 {
	if n == (Note{}) {
		return 0
	}
	if tag, ok := t.tags[n]; ok {
		t.list[tag].used++
		return tag
	}
	if t.tags == nil {
		t.tags = make(map[Note]uint32)
		t.list = make([]noted, 1)
	}
	var tag uint32
	if k := len(t.free); k > 0 {
		tag, t.free = t.free[k-1], t.free[:k-1]
	} else {
		tag = uint32(len(t.list))
		t.list = append(t.list, noted{})
	}
	t.list[tag] = noted{n, 1}
	t.tags[n] = tag
	t.bytes += n.size()
	return tag
}

func (n *Note) size() int64 { return int64(noteBytes + len(n.Source) + len(n.Reference)) }

// drop counts one message less.
func (t *notes) drop(tag uint32) {
	if tag == 0 {
		return
	}
	e := &t.list[tag]
	if e.used--; e.used > 0 {
		return
	}
	delete(t.tags, e.note)
	t.bytes -= e.note.size()
	*e = noted{}
	t.free = append(t.free, tag)
}

// of returns the note of that number.
func (t *notes) of(tag uint32) Note {
	if tag == 0 {
		return Note{}
	}
	return t.list[tag].note
}
