package protocol

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"
)

// Bounds of the budget for bodies.
const (
	// DefaultBodyMemory is the budget where Config names none, in bytes.
	DefaultBodyMemory = 256 << 20
	// minStrangers and maxStrangers bound the part of the budget for callers who
	// have not signed, in bytes; between them it is an eighth. With those who have
	// proven nothing yet they have three quarters.
	minStrangers = 12 << 20
	maxStrangers = 32 << 20
	// roomForLargest is how many times the largest body the budget is at least: while
	// a body grows it is there twice, and one caller alone gets half of its class's part.
	roomForLargest = 5

	// bodyPatience is how long a request waits for room, in all, before it is refused.
	bodyPatience = 5 * time.Second
	// maxWaiting bounds the bodies that wait, maxPeerWaiting those of one caller;
	// further ones are refused at once.
	maxWaiting     = 512
	maxPeerWaiting = 128
)

// budget is what the requests under way may take, all together: their number, since
// each costs some memory, and the memory for their bodies, as they are received,
// decoded and answered. A body that does not fit waits a while and is then refused, so
// that no crowd of clients can take more; a request too many is refused at once.
//
// It is shared by what is free: a caller may hold as much as nobody holds. One alone
// thus gets half, two a third each, and a newcomer always finds something, without
// a share that lies idle. Callers are told apart by access key once their signature
// is known to be good, by network address before that. Among a caller's connections
// half of the memory is shared in the same way.
//
// A request that counts as a key's by a voucher may still be anybody's behind the same
// address. Until its signature is checked it shares half of what the key may have with
// others from there, so that something is left for the key's use elsewhere.
//
// Callers of whom less is known share a part of it, by the same rule; see class.
type budget struct {
	limit int64 // bytes

	mu       sync.Mutex // guards what follows, and the leases' held, peer and entered
	requests room
	memory   room  // bytes
	awaited  int64 // by answers, which are there in another form while they wait
	peers    map[peerKey]*peer
	waiting  [classCount]list.List // of *waiter, in the order of coming
}

// peerKey tells callers apart.
type peerKey struct {
	key     string // access key, of a good signature or by a voucher
	addr    netip.Addr
	vouched bool // of those at addr whom a voucher for key speaks for
}

// peer is a caller who holds or awaits something.
type peer struct {
	held     int64
	awaited  int64 // as of budget
	waiting  int
	requests int // under way: their leases
}

// connection is what one connection's requests hold; HTTP/2 has many at a time.
type connection struct{ held int64 }

// lease is what one request holds of the budget. The zero lease holds nothing.
type lease struct {
	budget  *budget
	conn    *connection // nil: carries no other request
	key     peerKey
	addr    netip.Addr // for key, unless that has an access key
	class   class
	peer    *peer
	vouched bool  // its signature is not checked yet
	site    *peer // all who are vouched for by the same voucher; else nil
	entered bool  // counts among the requests
	held    int64
	waited  time.Duration // so far, of bodyPatience
}

type waiter struct {
	lease   *lease
	n       int64
	granted chan struct{}
	done    bool
}

// newBudget makes the budget of so many bytes, for so many requests.
func newBudget(limit, requests int64) *budget {
	return &budget{limit: limit, memory: memoryRoom(limit), requests: requestRoom(requests), peers: map[peerKey]*peer{}}
}

// enter counts the request among those under way, if the caller's share allows.
func (l *lease) enter() bool {
	b := l.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	l.join()
	shared := l.site != nil && l.site.requests > 1 && int64(l.site.requests) > b.requests.parts[known]/2-int64(l.peer.requests)
	if shared || int64(l.peer.requests) > b.requests.free(l.class) {
		l.part()
		return false
	}
	b.requests.charge(l.class, 1)
	l.entered = true
	return true
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
	queue := &b.waiting[l.class]
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

// takeNow is take without waiting.
func (l *lease) takeNow(n int64) bool {
	b := l.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	l.join()
	if !b.fits(l, n) {
		return false
	}
	l.charge(n)
	return true
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
	if l.entered {
		b.requests.charge(l.class, -1)
		l.entered = false
	}
	held := l.held
	l.charge(-held)
	l.part()
	l.budget = nil
	if held > 0 {
		b.wake()
	}
}

// join makes the caller known, with its first byte. b.mu is held.
func (l *lease) join() {
	if l.peer != nil {
		return
	}
	if l.key.key == "" {
		l.key.addr = networkOf(l.addr)
	}
	l.peer = l.budget.join(l.key)
	if l.vouched {
		l.site = l.budget.join(l.siteKey())
	}
}

func (l *lease) siteKey() peerKey { return peerKey{l.key.key, networkOf(l.addr), true} }

func (b *budget) join(key peerKey) *peer {
	p := b.peers[key]
	if p == nil {
		p = &peer{}
		b.peers[key] = p
	}
	p.requests++
	return p
}

// part undoes join. b.mu is held.
func (l *lease) part() {
	l.budget.part(l.peer, l.key)
	l.peer = nil
	if l.site != nil {
		l.budget.part(l.site, l.siteKey())
		l.site = nil
	}
}

func (b *budget) part(p *peer, key peerKey) {
	if p.requests--; p.requests == 0 {
		delete(b.peers, key)
	}
}

// prove is called when the signature was found good: the voucher is not needed any more.
func (l *lease) prove() {
	if l.site == nil {
		return
	}
	b := l.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	l.site.held -= l.held
	b.part(l.site, l.siteKey())
	l.site, l.vouched = nil, false
	b.wake()
}

// charge books n bytes, which may be negative. b.mu is held.
func (l *lease) charge(n int64) {
	l.held += n
	l.peer.held += n
	l.budget.memory.charge(l.class, n)
	if l.site != nil {
		l.site.held += n
	}
	if l.conn != nil {
		l.conn.held += n
	}
}

// fits reports whether n bytes can be given. b.mu is held.
func (b *budget) fits(l *lease, n int64) bool {
	if l.peer.held+n > b.memory.free(l.class) {
		return false
	}
	if l.site != nil && l.site.held > l.held && l.site.held+n > b.limit/2-l.peer.held {
		return false
	}
	others := l.conn != nil && l.conn.held > l.held
	return !others || l.conn.held+n <= b.limit/2-l.peer.held
}

// wake gives what became free to those who wait, in the order of their coming. One
// who is held back, by its own share or because it wants more than is free, does not
// hold back the others: newcomers are given what fits as well. b.mu is held.
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
			} else if b.memory.free(known) <= 0 {
				break
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
