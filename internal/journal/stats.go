package journal

// Stats returns the journal's figures of this moment.
func (j *Journal) Stats() Stats {
	durable := j.durable.Load()
	s := Stats{
		Last:          durable,
		Appends:       j.appends.Load(),
		Records:       j.records.Load(),
		AppendedBytes: j.written.Load(),
		CacheBytes:    j.cache.bytes(),
		CacheHits:     j.reads.hits.Load(),
		CacheMisses:   j.reads.misses.Load(),
		Trimmed:       j.trimmed.Load(),
		StaleEntries:  j.stale.Load(),
	}
	r := &j.ring
	r.mu.Lock()
	r.move(durable)
	s.First, s.Bytes, s.LiveItems, s.LiveBytes = r.front, r.bytes, r.items, r.live
	r.mu.Unlock()
	s.GarbageBytes = s.Bytes - s.LiveBytes
	j.mu.Lock()
	s.PendingBytes, s.InFlight = int64(j.pendingBytes), j.inFlight
	j.mu.Unlock()
	return s
}
