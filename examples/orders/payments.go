package orders

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// Answers of the payment provider. ErrDeclined is final; the others may go away.
var (
	ErrDeclined         = errors.New("card declined")
	ErrCurrency         = errors.New("currency is not switched on")
	ErrProviderTimedOut = errors.New("the payment provider did not answer")
)

// Charge is money that was taken.
type Charge struct {
	Order  string
	Amount int // cents
}

// Payments is the payment provider. It is safe for concurrent use.
type Payments struct {
	mu         sync.Mutex
	currencies map[string]bool
	answered   map[string]error // order -> final answer; nil: charged
	tries      map[string]int
	charges    []Charge // everything that was ever taken, in order
	repeats    int
}

// NewPayments returns a provider that takes euros.
func NewPayments() *Payments {
	return &Payments{currencies: map[string]bool{"EUR": true}, answered: map[string]error{}, tries: map[string]int{}}
}

// SwitchOn makes the provider take a further currency.
func (p *Payments) SwitchOn(currency string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.currencies[currency] = true
}

// Authorize charges the order's card once. The order's number is the
// idempotency key: asked again, the provider gives its first answer and charges
// nothing. A nil error means that the order is paid.
func (p *Payments) Authorize(o Order, amount int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if answer, done := p.answered[o.ID]; done {
		p.repeats++
		return answer
	}
	if p.tries[o.ID]++; p.tries[o.ID] <= o.Trouble.ProviderFails {
		return ErrProviderTimedOut
	}
	if !p.currencies[o.Currency] {
		return fmt.Errorf("%s: %w", o.Currency, ErrCurrency)
	}
	var answer error
	if strings.HasPrefix(o.Card, "declined") {
		answer = ErrDeclined
	} else {
		p.charges = append(p.charges, Charge{Order: o.ID, Amount: amount})
	}
	p.answered[o.ID] = answer
	return answer
}

// Charges returns everything that was ever taken.
func (p *Payments) Charges() []Charge {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Charge(nil), p.charges...)
}

// Repeats is how often the provider was asked again for an order that it had
// already answered.
func (p *Payments) Repeats() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.repeats
}
