package orders

import (
	"context"
	"errors"
)

// errDied stands for a worker that is gone: its message is not deleted, so it
// will be delivered again to another worker.
var errDied = errors.New("the worker died before it could delete its message")

// setAsideStock handles a message of the first queue. An error leaves the
// message in the queue: it comes back after the visibility timeout.
func (s *Shop) setAsideStock(ctx context.Context, t Task) error {
	if s.Book.Ended(t.Order.ID) {
		return nil // a repeated delivery of an order that is through
	}
	amount, err := s.Warehouse.SetAside(t.Order)
	switch {
	case errors.Is(err, ErrSoldOut), errors.Is(err, ErrQuantity) && s.refuseMalformed.Load():
		s.Book.Refuse(t.Order.ID, err)
		return nil
	case err != nil:
		return err
	}
	t.Amount = amount
	return s.send(ctx, AuthorizePayment, t)
}

// authorizePayment handles a message of the second queue.
func (s *Shop) authorizePayment(ctx context.Context, t Task) error {
	err := s.Payments.Authorize(t.Order, t.Amount)
	switch {
	case errors.Is(err, ErrDeclined):
		if err := s.announce(ctx, PaymentDeclined, t); err != nil {
			return err
		}
		s.Warehouse.Release(t.Order)
		s.Book.Refuse(t.Order.ID, err)
		return nil
	case err != nil:
		return err
	}
	if t.Order.Trouble.CrashAfterCharge {
		if _, again := s.died.LoadOrStore(t.Order.ID, true); !again {
			return errDied // the card is charged, but nobody has noted it
		}
	}
	if err := s.announce(ctx, PaymentAuthorized, t); err != nil {
		return err
	}
	s.Book.Fulfil(t.Order.ID)
	return nil
}

// announce tells whoever wants to know. If it fails, the message of this step comes again,
// and with it the announcement.
func (s *Shop) announce(ctx context.Context, what string, t Task) error {
	if s.News == nil {
		return nil
	}
	return s.News.Announce(ctx, what, Payment{Order: t.Order.ID, Customer: t.Order.Customer, Amount: t.Amount, Currency: t.Order.Currency})
}
