package lease

// View is a partition as this node sees it.
type View struct {
	Node string // that should own it, "" when none does
	Run  string // of that node, "" when none does
	Mine bool   // this node should own it
	// Ready: the owner has loaded it once, and has given a sign of life lately.
	Ready bool
	// Damaged is why it could not be loaded by those who tried; while none should
	// own it, none can.
	Damaged string
}

// Partition tells who should own a partition, and returns a channel that is closed
// when that may have changed, or when a partition of ours has become ready or has
// ended.
func (k *Keeper) Partition(p uint32) (View, <-chan struct{}) {
	t := k.table
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.view(p), t.await(p)
}

// View is Partition without the channel.
func (k *Keeper) View(p uint32) View {
	t := k.table
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.view(p)
}

// view: mu is held.
func (t *table) view(p uint32) View {
	l, ok := t.parts[p]
	v := View{Damaged: l.Damaged}
	if !ok || l.Released {
		return v
	}
	v.Node, v.Run, v.Mine = l.Node, l.Run, l.Run == t.run
	v.Ready = l.Served > 0 && (v.Mine || t.alive(l.lease))
	return v
}

// Changed is closed at the next change of any partition or node: for the few who
// look at all of them.
func (k *Keeper) Changed() <-chan struct{} {
	k.table.mu.Lock()
	defer k.table.mu.Unlock()
	return k.table.changed
}

// Count is how many partitions there are: as agreed, before that as configured.
func (k *Keeper) Count() uint32 {
	k.table.mu.Lock()
	defer k.table.mu.Unlock()
	return max(k.table.count, k.cfg.Count)
}

// Least is how far the log of a partition must reach, as far as any node told of
// with a sign of life: one found shorter lost what had been acknowledged.
func (k *Keeper) Least(p uint32) uint64 { return k.table.least(p) }
