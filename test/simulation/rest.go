package simulation

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// settling is how long what goes on by itself may take to come to rest.
const settling = time.Minute

// settles waits until look has nothing to complain of, settling at most.
func (s *sim) settles(what string, look func() string) {
	for deadline := time.Now().Add(settling); ; time.Sleep(5 * time.Second) {
		complaint := look()
		if complaint == "" {
			return
		}
		if time.Now().After(deadline) {
			s.book.fault("%s, %v after the last request: %s", what, settling, complaint)
			return
		}
	}
}

// eachOwned calls fn with the partitions that each node serves until it complains.
func (s *sim) eachOwned(fn func(n *node, svc *partition.Service, st *partition.Status) string) string {
	for _, n := range s.nodes {
		r := n.current()
		if r == nil {
			continue
		}
		for _, st := range r.svc.Status() {
			if !st.Mine || !st.Ready {
				continue
			}
			if complaint := fn(n, r.svc, &st); complaint != "" {
				return fmt.Sprintf("partition %d on node %s: %s", st.Number, n.name, complaint)
			}
		}
	}
	return ""
}

// standStill has all nodes down until nothing that was received is in flight any more.
func (s *sim) standStill() {
	for _, n := range s.nodes {
		n.kill()
	}
	time.Sleep(maxTime + time.Second)
	for _, n := range s.nodes {
		n.start()
	}
}

// exhausted complains of queues in which more is visible than was not yet received as
// often as it may be: the rest has to be with the dead letters, though nobody asked for
// it since.
func (s *sim) exhausted(c *client, list []queuePlan) string {
	for _, q := range list {
		if q.deadLetter == "" || q.churns {
			continue
		}
		counts, p, err := on(c, c.node(), q, countVerb, patience, func(ctx context.Context, r *run, def *registry.Queue) (partition.Counts, error) {
			return r.svc.Counts(ctx, def)
		})
		if err != nil {
			continue // answers has seen to it
		}
		if most := s.book.receivable(p); counts.Visible > most {
			return fmt.Sprintf("%s has %d visible messages, %d at most were received less than %d times", q.name, counts.Visible, most, q.maxReceive)
		}
	}
	return ""
}

// receivable is how many messages of a queue may not have been received as often as
// its limit says.
func (b *book) receivable(p *page) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range []string{p.name, p.deadLetter} {
		for _, x := range b.names[name] {
			if len(x.moves) > 0 || len(x.purges) > 0 || len(x.drops) > 0 {
				// What came back, or was sent again after a purge, counts anew; without the
				// queue for its dead letters it keeps them.
				return math.MaxInt
			}
		}
	}
	for _, m := range b.msgs {
		if m.page == p && !slices.ContainsFunc(m.takes, func(t *take) bool { return int(t.count) >= p.maxReceive }) {
			n++
		}
	}
	return n
}

// watchBeats looks whether nodes that are well give signs of life: without one for the
// length of a lease others take what they have.
func (s *sim) watchBeats(ctx context.Context) {
	bucket, err := s.world.Node("watcher").Bucket(ctx, jet.KVSpec{Bucket: "ws_leases"})
	if err != nil {
		s.book.fault("the leases can't be watched: %v", err)
		return
	}
	var mu sync.Mutex                   // guards beats
	beats := make(map[string]time.Time) // by key
	var watching sync.WaitGroup
	watching.Go(func() {
		_ = bucket.Watch(ctx, "node.>", func(e jet.KVEntry) { // ends with ctx
			mu.Lock()
			defer mu.Unlock()
			beats[e.Key] = time.Now()
		}, func() {})
	})
	defer watching.Wait()
	since := make(map[*run]time.Time)
	for rest(ctx, s.plan.lease/4) == nil {
		for _, n := range s.nodes {
			r := n.current()
			if r == nil {
				continue
			}
			if since[r].IsZero() {
				since[r] = time.Now()
			}
			mu.Lock()
			at := beats["node."+n.name]
			mu.Unlock()
			if at.Before(since[r]) {
				at = since[r]
			}
			if silent := time.Since(at); silent > s.plan.lease {
				s.book.fault("node %s is well and gave no sign of life for %v", n.name, silent)
				return
			}
		}
	}
}

// garbage complains of a log that is for the most part garbage: it has to be written
// again, and trimmed.
func (s *sim) garbage() string {
	return s.eachOwned(func(_ *node, _ *partition.Service, st *partition.Status) string {
		if st.LogBytes > s.plan.floor && st.LogBytes > 2*st.LiveBytes {
			return fmt.Sprintf("of %d bytes of the log only %d live", st.LogBytes, st.LiveBytes)
		}
		return ""
	})
}

// leftovers complains of what is kept or counted though all queues are empty and
// nobody asks for anything.
func (s *sim) leftovers(c *client) string {
	memory, messages := make(map[*partition.Service]int64), int64(0)
	complaint := s.eachOwned(func(_ *node, svc *partition.Service, st *partition.Status) string {
		memory[svc] += st.MemoryBytes
		messages += st.Messages
		switch {
		case st.Requests != 0 || st.RequestBytes != 0:
			return fmt.Sprintf("%d requests of %d bytes are said to be under way", st.Requests, st.RequestBytes)
		case st.Backlog != 0 && len(s.ruined) == 0:
			return fmt.Sprintf("%d messages wait for other partitions", st.Backlog)
		case st.Orphans != 0:
			return fmt.Sprintf("%d queues have no definition", st.Orphans)
		}
		return ""
	})
	for svc, bytes := range memory {
		if used, _, _ := svc.Memory(); used != bytes && complaint == "" {
			complaint = fmt.Sprintf("messages take %d bytes, %d are accounted for", bytes, used)
		}
	}
	if complaint != "" || len(s.ruined) > 0 {
		return complaint
	}
	kept, _, err := on(c, c.node(), linearQueue, countVerb, patience, func(ctx context.Context, r *run, def *registry.Queue) (partition.Counts, error) {
		return r.svc.Counts(ctx, def)
	})
	if n := int64(kept.Visible + kept.InFlight + kept.Delayed); err == nil && messages > n {
		complaint = fmt.Sprintf("partitions hold %d messages, and the only queue that is not empty %d", messages, n)
	}
	return complaint
}
