package registry

import (
	"cmp"
	"strings"

	"github.com/tidwall/btree"
)

// fullName is what a queue is looked up by. Used as a map key so that the
// lookup on every request makes no garbage.
type fullName struct{ account, region, name string }

// index holds all queues in memory. Its owner guards it.
type index struct {
	byName      map[fullName]*Queue
	byID        map[uint64]*Queue
	ordered     *btree.BTreeG[*Queue] // account, region, name
	byTarget    *btree.BTreeG[*Queue] // redrive target, then as ordered; only queues with one
	byPartition *btree.BTreeG[*Queue] // partition, then as ordered
	counts      map[uint32]int        // queues by partition
}

func newIndex() *index {
	opts := btree.Options{NoLocks: true}
	return &index{
		byName:  make(map[fullName]*Queue),
		byID:    make(map[uint64]*Queue),
		counts:  make(map[uint32]int),
		ordered: btree.NewBTreeGOptions(lessName, opts),
		byTarget: btree.NewBTreeGOptions(func(a, b *Queue) bool {
			if c := strings.Compare(a.Redrive.TargetARN, b.Redrive.TargetARN); c != 0 {
				return c < 0
			}
			return lessName(a, b)
		}, opts),
		byPartition: btree.NewBTreeGOptions(func(a, b *Queue) bool {
			if c := cmp.Compare(a.Partition, b.Partition); c != 0 {
				return c < 0
			}
			return lessName(a, b)
		}, opts),
	}
}

func lessName(a, b *Queue) bool {
	if c := strings.Compare(a.Account, b.Account); c != 0 {
		return c < 0
	}
	if c := strings.Compare(a.Region, b.Region); c != 0 {
		return c < 0
	}
	return a.Name < b.Name
}

// put stores q in place of the one with its name, if any, which is returned.
func (x *index) put(q *Queue) (old *Queue) {
	old = x.remove(q.Account, q.Region, q.Name)
	x.byName[fullName{q.Account, q.Region, q.Name}] = q
	x.byID[q.ID] = q
	x.ordered.Set(q)
	x.byPartition.Set(q)
	x.counts[q.Partition]++
	if q.Redrive != nil {
		x.byTarget.Set(q)
	}
	return old
}

// remove takes the queue out and returns it; nil if there is none.
func (x *index) remove(account, region, name string) *Queue {
	key := fullName{account, region, name}
	q := x.byName[key]
	if q == nil {
		return nil
	}
	delete(x.byName, key)
	if x.byID[q.ID] == q {
		delete(x.byID, q.ID)
	}
	x.ordered.Delete(q)
	x.byPartition.Delete(q)
	x.counts[q.Partition]--
	if q.Redrive != nil {
		x.byTarget.Delete(q)
	}
	return q
}

// list returns up to limit queues of an account and region whose names begin
// with prefix and come after after, in name order, and whether there are more.
func (x *index) list(account, region, prefix, after string, limit int) (list []*Queue, more bool) {
	from := max(prefix, after)
	x.ordered.Ascend(&Queue{Account: account, Region: region, Name: from}, func(q *Queue) bool {
		if q.Account != account || q.Region != region || !strings.HasPrefix(q.Name, prefix) {
			return false
		}
		if q.Name == after {
			return true
		}
		if len(list) >= limit {
			more = true
			return false
		}
		list = append(list, q)
		return true
	})
	return list, more
}

// sources returns the queues whose redrive policy names arn, in name order.
func (x *index) sources(arn string) (list []*Queue) {
	pivot := &Queue{Redrive: &Redrive{TargetARN: arn}}
	x.byTarget.Ascend(pivot, func(q *Queue) bool {
		if q.Redrive.TargetARN != arn {
			return false
		}
		list = append(list, q)
		return true
	})
	return list
}

// of returns the queues of a partition, in name order.
func (x *index) of(partition uint32) (list []*Queue) {
	x.byPartition.Ascend(&Queue{Partition: partition}, func(q *Queue) bool {
		if q.Partition != partition {
			return false
		}
		list = append(list, q)
		return true
	})
	return list
}
