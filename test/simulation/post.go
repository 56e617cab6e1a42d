package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/partition"
)

// Posts to many queues of two kinds, as services make them: one payload, targets on
// any partition, taken by kind. A post is all or nothing, each target gets it once
// and keeps it until it is acknowledged; a timer fires at its time unless it was
// cancelled.

// The kinds: deliveries in any order, and deliveries in order.
const (
	kindLoose  = partition.FirstService
	kindStrict = partition.FirstService + 1
	postQueues = 3 // of each kind on each partition
	takeHidden = 20 * time.Second
)

var kinds = map[partition.Kind]partition.KindTerms{
	kindLoose:  {Visibility: takeHidden},
	kindStrict: {Visibility: takeHidden, FIFO: true},
}

// postBook notes posts and what was taken of them.
type postBook struct {
	mu    sync.Mutex // guards what follows
	posts map[string]*post
	taken int
}

type post struct {
	id        string
	from      uint32
	first     time.Time
	acked     bool
	visible   time.Time // zero: at once
	cancelled time.Time // acknowledged and found
	asked     bool      // a cancel was asked for
	targets   map[partition.Target]*posted
}

// posted is what became of a post at one target.
type posted struct {
	receives map[uint32]bool
	tried    bool      // an acknowledgement was asked for
	acked    time.Time // and given while the receipt was surely good
}

func (s *sim) poster(ctx context.Context, number int) {
	c := &client{s: s, number: number, r: rand.New(rand.NewPCG(s.plan.seed, uint64(300+number)))}
	for rest(ctx, time.Duration(c.r.ExpFloat64()*float64(2*s.plan.think))) == nil {
		if number == 0 {
			c.post()
		} else {
			c.take(5 * time.Second)
		}
	}
}

func (c *client) post() {
	c.sent++
	s := c.s
	p := &post{id: fmt.Sprintf("p%d", c.sent), from: uint32(c.r.IntN(int(s.plan.partitions))), first: time.Now(), targets: make(map[partition.Target]*posted)}
	item := partition.PostItem{Payload: []byte(p.id + "|" + strings.Repeat("p", c.r.IntN(200)))}
	dedup := partition.DedupOf(p.id)
	timer := c.r.IntN(4) == 0
	if timer {
		p.visible = time.Now().Add(time.Duration(c.r.Int64N(int64(maxTime))))
	}
	for range 1 + c.r.IntN(5) {
		t := partition.Target{Partition: uint32(c.r.IntN(int(s.plan.partitions))), Queue: partition.Ref{
			Kind: kindLoose + partition.Kind(c.r.IntN(2)), ID: uint64(1 + c.r.IntN(postQueues)),
		}}
		if timer {
			t.Partition, t.Queue.Kind = p.from, kindLoose // where it can be cancelled at once
		}
		if p.targets[t] != nil {
			continue
		}
		p.targets[t] = &posted{receives: make(map[uint32]bool)}
		to := partition.PostTarget{Target: t, FIFO: t.Queue.Kind == kindStrict, Group: "g", Dedup: &dedup}
		if timer {
			to.VisibleAt, to.Name = partition.Milliseconds(p.visible), partition.NameOf(p.id)
		}
		item.Targets = append(item.Targets, to)
	}
	s.postBook.mu.Lock()
	s.postBook.posts[p.id] = p
	s.postBook.mu.Unlock()
	for range 3 {
		_, err := direct(c, func(ctx context.Context, r *run) ([]partition.Posted, error) {
			return r.svc.Post(ctx, p.from, []partition.PostItem{item})
		})
		if err == nil {
			s.postBook.mu.Lock()
			p.acked = true
			s.postBook.mu.Unlock()
			break
		}
		time.Sleep(time.Duration(c.r.Int64N(int64(3 * time.Second))))
	}
	if timer && c.r.IntN(2) == 0 {
		c.cancel(p)
	}
}

// cancel takes a timer back.
func (c *client) cancel(p *post) {
	s := c.s
	s.postBook.mu.Lock()
	p.asked = true
	s.postBook.mu.Unlock()
	all := true
	for t := range p.targets {
		found, err := direct(c, func(ctx context.Context, r *run) (bool, error) {
			return r.svc.Cancel(ctx, t, partition.NameOf(p.id))
		})
		all = all && err == nil && found
	}
	if all {
		s.postBook.mu.Lock()
		p.cancelled = time.Now()
		s.postBook.mu.Unlock()
	}
}

// direct runs a request that is about no queue of the plan.
func direct[T any](c *client, fn func(context.Context, *run) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	v, err := ask(ctx, c.node(), fn)
	switch {
	case err == nil, errors.Is(err, errDown), errors.Is(err, errUnknown), errors.Is(err, partition.ErrUnavailable), errors.Is(err, partition.ErrBusy),
		errors.Is(err, partition.ErrFull), errors.Is(err, jet.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	default:
		c.s.book.fault("a request of a service was refused: %v", err)
	}
	return v, err
}

// take takes what one kind on one partition has, and acknowledges most of it. It
// returns how many messages it got.
func (c *client) take(wait time.Duration) int {
	s := c.s
	k := kindLoose + partition.Kind(c.r.IntN(2))
	return c.takeOf(uint32(c.r.IntN(int(s.plan.partitions))), k, wait, 70)
}

func (c *client) takeOf(p uint32, k partition.Kind, wait time.Duration, percent int) int {
	start := time.Now()
	got, err := direct(c, func(ctx context.Context, r *run) (partition.Taken, error) {
		return r.svc.Take(ctx, p, k, partition.TakeTerms{Max: 10, Wait: wait})
	})
	if err != nil {
		return 0
	}
	for i := range got.Messages {
		m := &got.Messages[i]
		x := c.taken(got.Target, m, start)
		if x == nil || c.r.IntN(100) >= percent {
			continue
		}
		c.s.postBook.mu.Lock()
		x.tried = true
		c.s.postBook.mu.Unlock()
		errs, err := direct(c, func(ctx context.Context, r *run) ([]error, error) {
			return r.svc.Ack(ctx, got.Target, []partition.Receipt{m.Receipt})
		})
		if err == nil && errs[0] == nil && time.Since(start) < takeHidden-c.s.book.slack {
			c.s.postBook.mu.Lock()
			x.acked = time.Now()
			c.s.postBook.mu.Unlock()
		}
	}
	return len(got.Messages)
}

// taken checks one message.
func (c *client) taken(t partition.Target, m *partition.Delivered, start time.Time) *posted {
	b, book := &c.s.postBook, c.s.book
	b.mu.Lock()
	defer b.mu.Unlock()
	id, _, _ := strings.Cut(string(m.Payload), "|")
	p := b.posts[id]
	if p == nil || p.targets[t] == nil {
		book.fault("%v gave what was not posted to it: %.40q", t, m.Payload)
		return nil
	}
	x := p.targets[t]
	switch {
	case x.receives[m.Receipt.Receive]:
		book.fault("post %s was taken twice from %v as receive %d: it stands there twice", id, t, m.Receipt.Receive)
	case !x.acked.IsZero() && start.After(x.acked):
		book.fault("post %s was taken from %v after it was acknowledged", id, t)
	case !p.cancelled.IsZero() && start.After(p.cancelled):
		book.fault("post %s was taken from %v after it was cancelled", id, t)
	case !p.visible.IsZero() && time.Now().Before(p.visible.Add(-book.slack)):
		book.fault("post %s was taken from %v %v before its time", id, t, time.Until(p.visible))
	}
	x.receives[m.Receipt.Receive] = true
	b.taken++
	return x
}

// drainPosts takes everything, and checks that posts are all or nothing.
func (s *sim) drainPosts(c *client) {
	for deadline, quiet := time.Now().Add(empty), 0; quiet < 3; {
		got := 0
		for p := range s.count() {
			for k := range kinds {
				for n := c.takeOf(p, k, 0, 100); n > 0; n = c.takeOf(p, k, 0, 100) {
					got += n
				}
			}
		}
		if quiet++; got > 0 {
			quiet = 0
		}
		if time.Now().After(deadline) {
			s.book.fault("the queues of services don't become empty")
			return
		}
		time.Sleep(takeHidden)
	}
	b := &s.postBook
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, p := range b.posts {
		there := 0
		for _, x := range p.targets {
			if len(x.receives) > 0 {
				there++
			}
		}
		switch {
		case p.asked: // cancelled, perhaps in part
		case there == 0 && !p.acked:
		case there < len(p.targets):
			s.book.fault("post %s from partition %d (acknowledged: %v, at %v) reached %d of %d targets", id, p.from, p.acked, s.book.at(p.first), there, len(p.targets))
		}
	}
}
