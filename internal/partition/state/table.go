package state

// queueTable finds queues by kind and id: by one number in a map of each kind,
// which is half the time of a map by Ref, and a post looks up each of its targets.
type queueTable struct {
	kinds [1 << 8]map[uint64]*Queue
	n     int
}

func (t *queueTable) find(r Ref) *Queue { return t.kinds[r.Kind][r.ID] }

func (t *queueTable) put(q *Queue) {
	ids := t.kinds[q.Ref.Kind]
	if ids == nil {
		ids = make(map[uint64]*Queue)
		t.kinds[q.Ref.Kind] = ids
	}
	ids[q.Ref.ID] = q
	t.n++
}

// remove takes out a queue that is in.
func (t *queueTable) remove(q *Queue) {
	delete(t.kinds[q.Ref.Kind], q.Ref.ID)
	t.n--
}
