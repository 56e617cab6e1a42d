package queue

// pageSize is how many values a page holds; the first grows to that from firstPage.
const (
	pageSize  = 128
	firstPage = 8
)

// pages is a growing array of uint32 in pages: growing never copies more than a
// page, and shrinking gives memory back.
type pages struct {
	dir [][]uint32
	n   uint32
}

// at returns a place that is good until the next push or pop.
func (p *pages) at(i uint32) *uint32 { return &p.dir[i/pageSize][i%pageSize] }

func (p *pages) push(v uint32) {
	switch {
	case p.n == 0 && len(p.dir) == 0:
		p.dir = append(p.dir, make([]uint32, firstPage))
	case len(p.dir) == 1 && int(p.n) == len(p.dir[0]) && p.n < pageSize:
		p.resize(4 * len(p.dir[0]))
	case int(p.n) == len(p.dir)*pageSize:
		p.dir = append(p.dir, make([]uint32, pageSize))
	}
	p.n++
	*p.at(p.n - 1) = v
}

// resize makes the only page that long.
func (p *pages) resize(n int) {
	page := make([]uint32, n)
	copy(page, p.dir[0])
	p.dir = [][]uint32{page}
}

// pop drops the last value. Some room is kept, so that pushing and popping across
// an edge does not allocate each time.
func (p *pages) pop() uint32 {
	v := *p.at(p.n - 1)
	p.n--
	last := len(p.dir) - 1
	switch {
	case last > 0 && int(p.n)+pageSize/2 < last*pageSize:
		p.dir[last] = nil
		p.dir = p.dir[:last]
		if cap(p.dir) > 64 && len(p.dir) < cap(p.dir)/4 {
			p.dir = append(make([][]uint32, 0, cap(p.dir)/2), p.dir...)
		}
	case last == 0 && len(p.dir[0]) > firstPage && int(p.n) <= len(p.dir[0])/8:
		p.resize(len(p.dir[0]) / 4)
	}
	return v
}
