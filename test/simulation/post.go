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

// The kinds: deliveries in any order, in order, those that are tried so often and then
// given up, and those that were given up.
const (
	kindLoose = partition.FirstService + 8 + iota // those before are of real services
	kindStrict
	kindTried
	kindSpent
	postQueues = 3 // of each kind on each partition
	takeHidden = 20 * time.Second
	tries      = 3 // of kindTried
)

// backoff of kindTried after each try.
var backoff = []time.Duration{2 * time.Second, 5 * time.Second}

var kinds = map[partition.Kind]partition.KindTerms{
	kindLoose:  {Visibility: takeHidden},
	kindStrict: {Visibility: takeHidden, FIFO: true},
	kindTried: {
		Visibility: takeHidden, MaxReceives: tries, Backoff: backoff,
		Exhausted: func(id uint64) (partition.Target, bool, bool) {
			return partition.Target{Queue: partition.Ref{Kind: kindSpent, ID: id}}, false, true
		},
	},
	kindSpent: {Visibility: takeHidden},
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
	spent    map[uint32]bool // receives from where it went when it was given up
	spentAt  time.Time       // seen there first
	notYet   time.Time       // it waits for another try until then
	after    uint32          // the receive after which it does
	tried    bool            // an acknowledgement was asked for
	acked    time.Time       // and given while the receipt was surely good
}

func (s *sim) poster(ctx context.Context, number int) {
	c := &client{s: s, number: number, r: rand.New(rand.NewPCG(s.plan.seed, uint64(300+number)))}
	for rest(ctx, time.Duration(c.r.ExpFloat64()*float64(2*s.plan.think))) == nil {
		if number == 0 {
			c.post()
			if s.plan.reposts > 0 {
				c.postAgain()
			}
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
	var at time.Time // when it is visible, as the post names it
	clock := &s.nodes[0].clock
	steps := clock.steps.Load()
	if timer {
		after := time.Duration(c.r.Int64N(int64(maxTime)))
		p.visible = time.Now().Add(after)
		if at = p.visible; s.plan.steady {
			at = clock.now().Add(after)
		}
	}
	for range 1 + c.r.IntN(5) {
		t := partition.Target{Partition: uint32(c.r.IntN(int(s.plan.partitions))), Queue: partition.Ref{
			Kind: kindLoose + partition.Kind(c.r.IntN(3)), ID: uint64(1 + c.r.IntN(postQueues)),
		}}
		if timer {
			t.Partition, t.Queue.Kind = p.from, kindLoose // where it can be cancelled at once
		}
		if p.targets[t] != nil || t.Queue.Kind == kindTried && p.spentAs(t.Queue.ID) != nil {
			continue
		}
		p.targets[t] = &posted{receives: make(map[uint32]bool), spent: make(map[uint32]bool)}
		to := partition.PostTarget{Target: t, FIFO: t.Queue.Kind == kindStrict, Group: "g", Dedup: &dedup}
		if timer {
			to.VisibleAt, to.Name = partition.Milliseconds(at), partition.NameOf(p.id)
		}
		item.Targets = append(item.Targets, to)
	}
	s.postBook.mu.Lock()
	s.postBook.posts[p.id] = p
	s.postBook.mu.Unlock()
	c.postItem(p, item, 3)
	if s.plan.steady && clock.steps.Load() != steps {
		s.postBook.mu.Lock()
		p.visible = time.Time{} // it was named by another clock, maybe
		s.postBook.mu.Unlock()
	}
	if !timer && s.plan.reposts > 0 {
		c.posted = append(c.posted, madePost{p, item})
	}
	if timer && c.r.IntN(2) == 0 {
		c.cancel(p)
	}
}

// namedSlack is by how much what was to be visible at a named moment may be early: an owner
// takes its wall clock for its own time as long as they are two seconds apart at most. If they
// are not, it goes by the wall clock, and the next owner may have another one.
func (s *sim) namedSlack() time.Duration {
	switch slack := s.book.slack; {
	case s.plan.skew == 0:
		return slack
	case s.plan.steady:
		return slack + 2*time.Second
	default:
		return slack + 2*time.Second + s.plan.skew
	}
}

// madePost is one that can be posted again.
type madePost struct {
	post *post
	item partition.PostItem
}

// postAgain posts again, once, what was posted before, answered or not.
func (c *client) postAgain() {
	for len(c.posted) > 0 && time.Since(c.posted[0].post.first) > c.s.plan.reposts {
		c.posted = c.posted[1:]
	}
	if len(c.posted) > 0 {
		m := c.posted[c.r.IntN(len(c.posted))]
		c.postItem(m.post, m.item, 1)
	}
}

// postItem posts until there is an answer, so many times at most.
func (c *client) postItem(p *post, item partition.PostItem, most int) {
	s := c.s
	for range most {
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
	if err != nil && !passes(err) {
		c.s.book.fault("a request of a service was refused: %v", err)
	}
	return v, err
}

// passes reports whether an error says that a request may succeed later.
func passes(err error) bool {
	for _, e := range []error{
		errDown, errUnknown, partition.ErrUnavailable, partition.ErrBusy, partition.ErrFull, jet.ErrUnavailable,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// take takes what one kind on one partition has, and acknowledges most of it. It
// returns how many messages it got.
func (c *client) take(wait time.Duration) int {
	s := c.s
	k := kindLoose + partition.Kind(c.r.IntN(len(kinds)))
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
		if x == nil {
			continue
		}
		if c.r.IntN(100) >= percent {
			if k == kindTried {
				c.retry(got.Target, m, x)
			}
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

// retry lets a message wait for another try, as its kind's backoff says.
func (c *client) retry(t partition.Target, m *partition.Delivered, x *posted) {
	start := time.Now()
	errs, err := direct(c, func(ctx context.Context, r *run) ([]error, error) {
		return r.svc.Retry(ctx, t, []partition.RetryEntry{{Receipt: m.Receipt}})
	})
	if n := m.Receipt.Receive; err == nil && errs[0] == nil && n < tries {
		c.s.postBook.mu.Lock()
		x.notYet, x.after = start.Add(backoff[min(int(n), len(backoff))-1]), n
		c.s.postBook.mu.Unlock()
	}
}

// spentAs is what became of a post at its target of kindTried and that id, on
// whichever partition it is; nil if it has none.
func (p *post) spentAs(id uint64) *posted {
	for t, x := range p.targets {
		if t.Queue == (partition.Ref{Kind: kindTried, ID: id}) {
			return x
		}
	}
	return nil
}

// taken checks one message.
func (c *client) taken(t partition.Target, m *partition.Delivered, start time.Time) *posted {
	b, book := &c.s.postBook, c.s.book
	b.mu.Lock()
	defer b.mu.Unlock()
	id, _, _ := strings.Cut(string(m.Payload), "|")
	p := b.posts[id]
	var x *posted
	var receives map[uint32]bool
	switch {
	case p == nil:
	case t.Queue.Kind == kindSpent:
		if x = p.spentAs(t.Queue.ID); x != nil {
			receives = x.spent
		}
	default:
		if x = p.targets[t]; x != nil {
			receives = x.receives
		}
	}
	if x == nil {
		book.fault("%v gave what was not posted to it: %.40q", t, m.Payload)
		return nil
	}
	n := m.Receipt.Receive
	switch {
	case receives[n]:
		book.fault("post %s was taken twice from %v as receive %d: it stands there twice", id, t, n)
	case !x.acked.IsZero() && start.After(x.acked):
		book.fault("post %s was taken from %v after it was acknowledged", id, t)
	case !p.cancelled.IsZero() && start.After(p.cancelled):
		book.fault("post %s was taken from %v after it was cancelled", id, t)
	case p.acked && !p.visible.IsZero() && time.Now().Before(p.visible.Add(-c.s.namedSlack())):
		book.fault("post %s was taken from %v %v before its time", id, t, time.Until(p.visible))
	case t.Queue.Kind == kindTried && n > tries:
		book.fault("post %s was taken from %v for the %dth time", id, t, n)
	case t.Queue.Kind == kindTried && !x.spentAt.IsZero() && start.After(x.spentAt):
		book.fault("post %s was taken from %v after it was given up", id, t)
	case t.Queue.Kind == kindTried && n == x.after+1 && time.Now().Before(x.notYet.Add(-book.slack)):
		book.fault("post %s was taken from %v %v before its next try", id, t, time.Until(x.notYet))
	case t.Queue.Kind == kindSpent && m.Note.Receives < tries:
		book.fault("post %s was given up after %d tries", id, m.Note.Receives)
	}
	receives[n] = true
	if t.Queue.Kind == kindSpent && x.spentAt.IsZero() {
		x.spentAt = time.Now()
	}
	b.taken++
	return x
}

// drainPosts takes everything, and checks that posts are all or nothing.
func (s *sim) drainPosts(c *client) {
	for deadline, quiet := time.Now().Add(empty), 0; quiet < 3; {
		got := 0
		for p := range s.count() {
			if s.spoilt(p) {
				continue
			}
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
		if s.touchesRuin(p) {
			continue
		}
		there := 0
		for t, x := range p.targets {
			if len(x.receives)+len(x.spent) == 0 {
				continue
			}
			there++
			if !x.tried && !p.asked {
				s.book.fault("post %s was taken from %v and never acknowledged, and is gone", id, t)
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
