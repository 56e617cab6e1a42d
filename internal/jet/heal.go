package jet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// healPause is the least time between two looks at an unwell server.
	healPause = time.Second
	// healSpace is how much room there must be before a restart is tried. It must
	// be less than what is free at any time that sends are refused, so that what
	// another program took and gave back is enough.
	healSpace = 4 << 20
)

// healer looks after the embedded server. A write error (a full disk above
// all) makes nats-server refuse every later write to that stream, without any
// answer, until it is started anew: see doc.go. So when answers fail to come
// the healer asks the server how it is, and starts it anew once there is room.
type healer struct {
	mu     sync.Mutex // guards what follows
	busy   bool
	looked time.Time
	closed bool
	work   sync.WaitGroup
}

// suspect is called when the store did not answer in time. It returns at once.
func (c *Conn) suspect() {
	if c.embedded == nil {
		return
	}
	h := &c.healer
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy || h.closed || time.Since(h.looked) < healPause {
		return
	}
	h.busy = true
	h.work.Go(func() {
		c.heal()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.busy, h.looked = false, time.Now()
	})
}

// heal finds out whether the server is unwell, and starts it anew if that may help.
func (c *Conn) heal() {
	c.mu.Lock()
	publisher := c.publisher
	c.mu.Unlock()
	if publisher == nil {
		return // still opening, which fails by itself
	}
	sick := health(c.embedded.current())
	if sick == nil {
		publisher.refuse(nil)
		return
	}
	space, err := diskSpace(c.cfg.Dir)
	full := err == nil && space.Free < healSpace
	if full && c.embedded.ballast.release() {
		c.log.Error("the disk is full: the room set aside for this is used, so that messages can be deleted", "free", space.Free)
		full = false
	}
	if full {
		c.log.Error("the store cannot be written, and there is no room: make some, it goes on by itself then",
			keyError, sick, "free", space.Free, "needed", healSpace)
		publisher.refuse(fmt.Errorf("%w: %w", ErrFull, sick))
		return
	}
	c.log.Error("the store cannot be written, starting its server anew", keyError, sick)
	if err := c.embedded.restart(); err != nil {
		if !errors.Is(err, ErrClosed) {
			c.log.Error("the store's server does not start, trying again when it is needed", keyError, err)
		}
		return
	}
	publisher.refuse(nil)
	c.log.Info("the store's server was started anew")
}

// stopHealing waits until the healer is through, and keeps it from starting again.
func (c *Conn) stopHealing() {
	c.healer.mu.Lock()
	c.healer.closed = true
	c.healer.mu.Unlock()
	c.healer.work.Wait()
}

// Health tells why the log cannot be used right now, nil if nothing speaks
// against it. It is meant for a readiness check: the text is for an operator.
func (c *Conn) Health(ctx context.Context) error {
	if !c.Connected() {
		return fmt.Errorf("%w: not connected", ErrUnavailable)
	}
	if c.embedded != nil {
		if err := health(c.embedded.current()); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil
	}
	_, err := c.account(ctx)
	return err
}
