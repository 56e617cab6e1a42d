package journal

import "time"

// Append adds one record to the batch that is being gathered and returns where it will stand and when it
// is durable. The place is final if the Commit succeeds. It never blocks; rec is copied. The record is
// atomic: it is never split over appends.
//
// Errors: ErrBusy and ErrTooLarge (nothing was appended, the journal goes on), otherwise Err.
func (j *Journal) Append(rec []byte) (Pos, *Commit, error) {
	size := recordLen(len(rec))
	if j.headerLen+size > j.maxBytes {
		return Pos{}, nil, ErrTooLarge
	}
	j.mu.Lock()
	if j.state != open {
		err := j.refusal()
		j.mu.Unlock()
		return Pos{}, nil, err
	}
	if j.pendingBytes > 0 && j.pendingBytes+size > j.cfg.MaxPending {
		j.mu.Unlock()
		return Pos{}, nil, ErrBusy
	}
	if b := j.gather; b != nil && b.records > 0 && len(b.buf)+size > j.cfg.MaxAppend {
		j.seal()
	}
	news := j.gather == nil
	if news {
		j.begin(size)
	}
	b := j.gather
	var offset uint32
	b.buf, offset = appendRecord(b.buf, rec)
	b.records++
	j.pendingBytes += size
	pos, commit := Pos{Append: b.seq, Offset: offset}, b.commit
	if len(b.buf) >= j.cfg.MaxAppend {
		j.seal()
		news = true
	}
	j.mu.Unlock()
	if news {
		signal(j.wake)
	}
	return pos, commit, nil
}

// MaxRecord is the most bytes that one record can have: what fits an append, which is one message of the log.
func (j *Journal) MaxRecord() int { return j.maxBytes - j.headerLen - maxLength }

// Barrier returns a Commit that, if it succeeds, proves that this journal owned the log after the call:
// no other writer had claimed it. It joins the batch that is being gathered, else it is an append of no
// records.
func (j *Journal) Barrier() *Commit {
	j.mu.Lock()
	if j.state != open {
		err := j.refusal()
		j.mu.Unlock()
		return failedCommit(err)
	}
	news := j.gather == nil
	if news {
		j.begin(0)
	}
	commit := j.gather.commit
	j.mu.Unlock()
	if news {
		signal(j.wake)
	}
	return commit
}

// begin starts a batch that will hold at least size bytes of records. mu is held.
func (j *Journal) begin(size int) {
	guess := max(j.headerLen+size, min(j.typical+j.typical/4, j.cfg.MaxAppend))
	b := &batch{
		commit: newCommit(),
		seq:    j.nextSeq,
		number: j.nextNumber,
		buf:    appendHeader(make([]byte, 0, guess), j.cfg.Writer, j.nextNumber, 0),
	}
	j.nextSeq++
	j.nextNumber++
	j.pendingBytes += len(b.buf)
	j.gather = b
}

// seal closes the batch that is being gathered and puts it in line for the writer. mu is held.
func (j *Journal) seal() {
	b := j.gather
	j.gather = nil
	j.typical += (len(b.buf) - j.typical) / 4
	if cap(b.buf) > 2*len(b.buf) && cap(b.buf)-len(b.buf) > 4<<10 {
		// It stays in the cache for a while: do not hold twice what it needs.
		b.buf = append(make([]byte, 0, len(b.buf)), b.buf...)
	}
	j.pending = append(j.pending, b)
	j.ring.add(b.seq, len(b.buf))
}

// settle takes every batch off the head of the line that is stored, and returns them. mu is held.
func (j *Journal) settle() []*batch {
	n := 0
	for n < j.sent && j.pending[n].answered && j.pending[n].err == nil {
		b := j.pending[n]
		j.cache.put(b.seq, b.buf)
		j.pendingBytes -= len(b.buf)
		j.durable.Store(b.seq)
		j.appends.Add(1)
		j.records.Add(uint64(b.records))
		j.written.Add(uint64(len(b.buf)))
		n++
	}
	if n == 0 {
		return nil
	}
	done := make([]*batch, n)
	copy(done, j.pending)
	j.pending = append(j.pending[:0], j.pending[n:]...)
	clear(j.pending[len(j.pending) : len(j.pending)+n])
	j.sent -= n
	j.troubleSince, j.backoff = time.Time{}, 0
	return done
}

// announce releases those who wait for durable batches.
func (j *Journal) announce(done []*batch) {
	if len(done) == 0 {
		return
	}
	for _, b := range done {
		b.commit.finish(nil)
	}
	if hook := j.cfg.Observe.Appended; hook != nil {
		now := j.cfg.Now()
		for _, b := range done {
			hook(now.Sub(b.published), b.records, len(b.buf))
		}
	}
	j.review()
}
