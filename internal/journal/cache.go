package journal

import "sync"

// cacheOverhead is roughly what an entry costs besides its data.
const cacheOverhead = 160

// cache holds whole appends, the least recently used go first. At the limit an entry is dropped for each
// that comes; one that is larger than the limit is not taken at all. Buffers are left to the garbage
// collector: readers may still hold parts of them.
type cache struct {
	mu    sync.Mutex
	limit int64 // bytes, set once
	size  int64
	bySeq map[uint64]*cached
	ends  cached // ring of entries: ends.next was used last, ends.prev longest ago
}

type cached struct {
	seq        uint64
	data       []byte
	next, prev *cached
}

func (c *cached) cost() int64 { return int64(cap(c.data)) + cacheOverhead }

func (c *cache) get(seq uint64) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.bySeq[seq]
	if e == nil {
		return nil, false
	}
	if c.ends.next != e {
		e.unlink()
		c.push(e)
	}
	return e.data, true
}

func (c *cache) put(seq uint64, data []byte) {
	e := &cached{seq: seq, data: data}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.cost() > c.limit || c.bySeq[seq] != nil {
		return
	}
	if c.bySeq == nil {
		c.bySeq = make(map[uint64]*cached)
		c.ends.next, c.ends.prev = &c.ends, &c.ends
	}
	c.bySeq[seq] = e
	c.push(e)
	c.size += e.cost()
	for c.size > c.limit {
		c.drop(c.ends.prev)
	}
}

func (c *cache) bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

func (c *cache) drop(e *cached) {
	e.unlink()
	delete(c.bySeq, e.seq)
	c.size -= e.cost()
}

func (c *cache) push(e *cached) {
	e.next, e.prev = c.ends.next, &c.ends
	e.next.prev, c.ends.next = e, e
}

func (e *cached) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
	e.next, e.prev = nil, nil
}
