package protocol

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of the budget for bodies.
const (
	// DefaultBodyMemory is the budget where Config names none, in bytes.
	DefaultBodyMemory = 256 << 20
	// minStrangers and maxStrangers bound the part of the budget for callers who
	// have not signed, in bytes; between them it is an eighth.
	minStrangers = 12 << 20
	maxStrangers = 32 << 20
	// roomForLargest is how many times the largest body the budget is at least:
	// while a body grows it is there twice, and one caller gets half of the budget.
	roomForLargest = 4

	// bodyPatience is how long a request waits for room, in all, before it is refused.
	bodyPatience = 5 * time.Second
	// maxWaiting bounds the bodies that wait, maxPeerWaiting those of one caller;
	// further ones are refused at once.
	maxWaiting     = 512
	maxPeerWaiting = 128
)

// budget is the memory for the bodies that are under way, of all requests
// together: as they are received, decoded and answered. What does not fit waits a
// while and is then refused, so that no crowd of clients can take more.
//
// It is shared by what is free: a caller may hold as much as nobody holds. One alone
// thus gets half, two a third each, and a newcomer always finds something, without
// a share that lies idle. Callers are told apart by access key once their signature
// is known to be good, by network address before that. Among a caller's connections
// half of the budget is shared in the same way.
//
// Callers who have not signed, where keys are demanded, share a small part of it, by
// the same rule.
type budget struct {
	limit     int64
	strangers int64 // of limit, for those who have not signed

	mu      sync.Mutex // guards what follows, and the leases' held and peer
	used    int64
	unknown int64 // used by strangers
	awaited int64 // by answers, which are there in another form while they wait
	peers   map[peerKey]*peer
	waiting [2]list.List // of *waiter, in the order of coming; [1]: strangers
}

// peerKey tells callers apart.
type peerKey struct {
	key  string // access key, of a good signature
	addr netip.Addr
}

// peer is a caller who holds or awaits something.
type peer struct {
	held    int64
	awaited int64 // as of budget
	waiting int
	leases  int
}

// connection is what one connection's requests hold; HTTP/2 has many at a time.
type connection struct{ held int64 }

// lease is what one request holds of the budget. The zero lease holds nothing.
type lease struct {
	budget   *budget
	conn     *connection // nil: carries no other request
	key      peerKey
	addr     netip.Addr // for key, unless that has an access key
	stranger bool
	peer     *peer
	held     int64
	waited   time.Duration // so far, of bodyPatience
}

type waiter struct {
	lease   *lease
	n       int64
	granted chan struct{}
	done    bool
}

func newBudget(limit int64) *budget {
	return &budget{
		limit: limit, strangers: min(max(limit/8, minStrangers), maxStrangers, limit),
		peers: map[peerKey]*peer{},
	}
}

// take asks for n more bytes, waiting for them for as long as the request still
// may. It reports whether they were given.
func (l *lease) take(ctx context.Context, n int64) bool {
	b := l.budget
	if b == nil {
		return true
	}
	b.mu.Lock()
	l.join()
	queue := &b.waiting[l.class()]
	if b.fits(l, n) {
		l.charge(n)
		b.mu.Unlock()
		return true
	}
	if queue.Len() >= maxWaiting || l.peer.waiting >= maxPeerWaiting || l.waited >= bodyPatience || ctx.Err() != nil {
		b.mu.Unlock()
		return false
	}
	w := &waiter{lease: l, n: n, granted: make(chan struct{})}
	place := queue.PushBack(w)
	l.peer.waiting++
	b.mu.Unlock()

	start := time.Now()
	timer := time.NewTimer(bodyPatience - l.waited)
	defer timer.Stop()
	select {
	case <-w.granted:
		l.waited += time.Since(start)
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	l.waited = bodyPatience
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.done {
		return true
	}
	queue.Remove(place)
	l.peer.waiting--
	b.wake() // it may have stood in the way of others
	return false
}

// force takes n bytes whatever is left: for an answer, which has to be given.
func (l *lease) force(n int64) {
	b := l.budget
	if b == nil || n <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l.join()
	l.charge(n)
}

// give returns n bytes.
func (l *lease) give(n int64) {
	if l.held == 0 || n <= 0 {
		return
	}
	l.budget.mu.Lock()
	defer l.budget.mu.Unlock()
	l.charge(-min(n, l.held))
	l.budget.wake()
}

// end returns all that is held. The lease cannot be used any more.
func (l *lease) end() {
	if l.peer == nil {
		return
	}
	b := l.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	l.charge(-l.held)
	if l.peer.leases--; l.peer.leases == 0 {
		delete(b.peers, l.key)
	}
	l.peer, l.budget = nil, nil
	b.wake()
}

// join makes the caller known, with its first byte. b.mu is held.
func (l *lease) join() {
	if l.peer != nil {
		return
	}
	if l.key.key == "" {
		l.key.addr = networkOf(l.addr)
	}
	p := l.budget.peers[l.key]
	if p == nil {
		p = &peer{}
		l.budget.peers[l.key] = p
	}
	p.leases++
	l.peer = p
}

func (l *lease) class() int {
	if l.stranger {
		return 1
	}
	return 0
}

// charge books n bytes, which may be negative. b.mu is held.
func (l *lease) charge(n int64) {
	l.held += n
	l.peer.held += n
	l.budget.used += n
	if l.stranger {
		l.budget.unknown += n
	}
	if l.conn != nil {
		l.conn.held += n
	}
}

// fits reports whether n bytes can be given. b.mu is held.
func (b *budget) fits(l *lease, n int64) bool {
	free := b.limit - b.used
	if l.stranger {
		free = min(free, b.strangers-b.unknown)
	}
	if l.peer.held+n > free {
		return false
	}
	others := l.conn != nil && l.conn.held > l.held
	return !others || l.conn.held+n <= b.limit/2-l.peer.held
}

// wake gives what became free to those who wait, in the order of their coming. One
// who is held back by its own share does not hold back the others. b.mu is held.
func (b *budget) wake() {
	for class := range b.waiting {
		for e := b.waiting[class].Front(); e != nil; {
			w, next := e.Value.(*waiter), e.Next()
			if b.fits(w.lease, w.n) {
				b.waiting[class].Remove(e)
				w.lease.peer.waiting--
				w.lease.charge(w.n)
				w.done = true
				close(w.granted)
			} else if w.n > b.limit-b.used {
				break // nor would anything else of its size
			}
			e = next
		}
	}
}

type connectionKey struct{}

// ConnContext marks the context of a connection that can carry several requests at
// a time; it is for http.Server.
func ConnContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{})
}

// networkOf is what an address counts as: itself, of IPv6 the network that one
// subscriber has (/64).
func networkOf(a netip.Addr) netip.Addr {
	if a = a.Unmap().WithZone(""); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// inFlight bounds the requests under way, each of which costs some memory beside
// its body. Strangers may be a quarter of them.
type inFlight struct {
	limit         int64
	all, unsigned atomic.Int64
}

// enter counts a request, if there is room.
func (f *inFlight) enter(stranger bool) bool {
	if f.all.Add(1) > f.limit {
		f.all.Add(-1)
		return false
	}
	if stranger && f.unsigned.Add(1) > f.limit/4 {
		f.leave(true)
		return false
	}
	return true
}

func (f *inFlight) leave(stranger bool) {
	f.all.Add(-1)
	if stranger {
		f.unsigned.Add(-1)
	}
}
