package queue

// pageSize is small so that a queue with a few messages stays small.
const pageSize = 128

// pages is a growing array of uint32 in pages: growing never copies, and
// shrinking gives memory back.
type pages struct {
	dir []*[pageSize]uint32
	n   uint32
}

func (p *pages) at(i uint32) *uint32 { return &p.dir[i/pageSize][i%pageSize] }

func (p *pages) push(v uint32) {
	if int(p.n) == len(p.dir)*pageSize {
		p.dir = append(p.dir, new([pageSize]uint32))
	}
	p.n++
	*p.at(p.n - 1) = v
}

// pop drops the last value. One spare page is kept, so that pushing and popping
// across a page's edge does not allocate each time.
func (p *pages) pop() uint32 {
	v := *p.at(p.n - 1)
	p.n--
	if last := len(p.dir) - 1; int(p.n)+pageSize < last*pageSize {
		p.dir[last] = nil
		p.dir = p.dir[:last]
		if cap(p.dir) > 64 && len(p.dir) < cap(p.dir)/4 {
			p.dir = append(make([]*[pageSize]uint32, 0, cap(p.dir)/2), p.dir...)
		}
	}
	return v
}
