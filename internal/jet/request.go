package jet

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Request sends data to whoever serves subject and returns the answer. Without
// a deadline in ctx it waits Config.AckTimeout. Errors: ErrNoResponders (not
// delivered), ErrUnavailable (not known whether delivered), ErrTooLarge, ctx's
// own when it was cancelled.
func (c *Conn) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if len(data) > c.maxPayload {
		return nil, fmt.Errorf("jet: request %s: %w", subject, ErrTooLarge)
	}
	answer, err := c.request(ctx, c.writes, &nats.Msg{Subject: subject, Data: data})
	if err != nil {
		return nil, fmt.Errorf("jet: request %s: %w", subject, err)
	}
	return answer.Data, nil
}

// Publish sends data to whoever serves subject right now, without an answer.
func (c *Conn) Publish(subject string, data []byte) error {
	if len(data) > c.maxPayload {
		return fmt.Errorf("jet: publish %s: %w", subject, ErrTooLarge)
	}
	if err := c.writes.Publish(subject, data); err != nil {
		return fmt.Errorf("jet: publish %s: %w", subject, transportError(err))
	}
	return nil
}

// Incoming is one request or published message.
type Incoming struct {
	Subject string
	Data    []byte

	reply func(data []byte) error // nil for a published message
}

// NewIncoming makes what a Cluster hands to those who serve a subject. reply
// takes the answer; nil when none is wanted.
func NewIncoming(subject string, data []byte, reply func(data []byte) error) *Incoming {
	return &Incoming{Subject: subject, Data: data, reply: reply}
}

// Reply answers a request. For a published message it does nothing. ErrTooLarge:
// nothing was sent, and the one who asked still waits.
func (m *Incoming) Reply(data []byte) error {
	if m.reply == nil {
		return nil
	}
	if err := m.reply(data); err != nil {
		return fmt.Errorf("jet: answer %s: %w", m.Subject, err)
	}
	return nil
}

// Serve calls h for every message on subject (which may have wildcards), one
// after another from one goroutine; h must not block. Everyone who serves the
// subject gets every message. Up to 65,536 messages and 256 MiB wait for h;
// past that they are dropped, and their senders see ErrUnavailable. stop ends
// it; a call of h may still be running then.
func (c *Conn) Serve(subject string, h func(*Incoming)) (stop func(), err error) {
	sub, err := c.writes.Subscribe(subject, func(m *nats.Msg) {
		var reply func([]byte) error
		if m.Reply != "" {
			reply = func(data []byte) error { return c.Publish(m.Reply, data) }
		}
		h(NewIncoming(m.Subject, m.Data, reply))
	})
	if err != nil {
		return nil, fmt.Errorf("jet: serve %s: %w", subject, transportError(err))
	}
	if err := sub.SetPendingLimits(65536, 256<<20); err != nil {
		return nil, fmt.Errorf("jet: serve %s: %w", subject, transportError(err))
	}
	// The server must know of it before anyone is told to ask here.
	if err := c.writes.FlushTimeout(c.cfg.AckTimeout); err != nil {
		_ = sub.Unsubscribe()
		return nil, fmt.Errorf("jet: serve %s: %w", subject, transportError(err))
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only when closed already
}
