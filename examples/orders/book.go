package orders

import (
	"fmt"
	"sync"
)

// Book is the shop's record of what became of each order. It is safe for
// concurrent use.
type Book struct {
	mu    sync.Mutex
	state map[string]string // order -> submitted, fulfilled or "refused: why"
	open  int
	done  chan struct{} // closed and replaced whenever an order ends
	full  int
	no    int
}

// NewBook returns an empty book.
func NewBook() *Book {
	return &Book{state: map[string]string{}, done: make(chan struct{})}
}

const (
	submitted = "submitted"
	fulfilled = "fulfilled"
)

// Submit enters an order; a second time changes nothing.
func (b *Book) Submit(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.state[id]; !known {
		b.state[id] = submitted
		b.open++
	}
}

// Fulfil ends an order well. It reports whether that was new.
func (b *Book) Fulfil(id string) bool { return b.end(id, fulfilled) }

// Refuse ends an order with the reason why. It reports whether that was new.
func (b *Book) Refuse(id string, why error) bool {
	return b.end(id, fmt.Sprintf("refused: %v", why))
}

func (b *Book) end(id, state string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state[id] != submitted {
		return false // unknown, or it has ended before
	}
	b.state[id] = state
	b.open--
	if state == fulfilled {
		b.full++
	} else {
		b.no++
	}
	close(b.done)
	b.done = make(chan struct{})
	return true
}

// Ended says whether nothing is left to do for an order.
func (b *Book) Ended(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state[id]
	return s != "" && s != submitted
}

// Count tells how many orders are in which state.
func (b *Book) Count() (open, fulfilled, refused int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open, b.full, b.no
}

// Changed returns a channel that is closed when the next order ends.
func (b *Book) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done
}

// Balance is the shop's account at the end of the day.
type Balance struct {
	Submitted, Fulfilled, Refused int
	Lost                          int // submitted, but neither fulfilled nor refused
	ChargedTwice                  int // orders with more than one charge
	Unpaid                        int // fulfilled without a charge
	ChargedInVain                 int // charged without being fulfilled
}

// Right says whether submitted = fulfilled + refused, and everybody paid
// exactly what they got.
func (b Balance) Right() bool {
	return b.Submitted == b.Fulfilled+b.Refused &&
		b.Lost == 0 && b.ChargedTwice == 0 && b.Unpaid == 0 && b.ChargedInVain == 0
}

// Balance compares the book with the charges that were really made.
func (b *Book) Balance(charges []Charge) Balance {
	b.mu.Lock()
	defer b.mu.Unlock()
	bal := Balance{Submitted: len(b.state), Fulfilled: b.full, Refused: b.no, Lost: b.open}
	times := map[string]int{}
	for _, c := range charges {
		times[c.Order]++
	}
	for id, n := range times {
		if n > 1 {
			bal.ChargedTwice++
		}
		if b.state[id] != fulfilled {
			bal.ChargedInVain++
		}
	}
	for id, s := range b.state {
		if s == fulfilled && times[id] == 0 {
			bal.Unpaid++
		}
	}
	return bal
}
