package owner

import (
	"context"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/state"
)

// rewriteChunk is how many bytes of old appends are looked through at a time, or an
// eighth of the partition's share of the space where that is less; at least one
// append. What lives of it takes room until the old appends are trimmed.
const rewriteChunk = 1 << 20

// rewrite writes what lives in the oldest appends again at the end of the log
// whenever the journal says that garbage outweighs it, so that the log can be
// trimmed.
func (o *Owner) rewrite(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.j.Failed():
			return nil
		case <-o.j.Rewrite():
		}
		chunk := rewriteChunk
		if share := o.cfg.Space.share.Load(); share > 0 {
			chunk = int(min(int64(chunk), share/8))
		}
		stored, err := o.j.Oldest(ctx, chunk)
		if err != nil {
			if ctx.Err() == nil {
				o.log.Warn("old appends can't be read for rewriting", "error", err)
			}
			continue
		}
		var last *journal.Commit
		for i := range stored {
			c, ok := o.rewriteRecord(stored[i])
			if !ok {
				return nil
			}
			last = c
		}
		if last != nil {
			_ = last.Wait(ctx)
		}
	}
}

// rewriteRecord writes again what lives of one record; false when the owner is closed.
func (o *Owner) rewriteRecord(st journal.Stored) (*journal.Commit, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, false
	}
	o.tick()
	var last *journal.Commit
	left, err := o.st.Rewrite(state.Pos(st.Pos), st.Rec, o.maxAtOnce(), func() error {
		c, err := o.write()
		if c != nil {
			last = c
		}
		return err
	})
	if o.closed {
		return nil, false
	}
	if left > 0 {
		o.log.Warn("old messages no longer fit one message of the store and keep their place, nothing behind it is trimmed; raise its max_payload",
			"append", st.Pos.Append, "messages", left)
	}
	if err != nil {
		o.log.Error("an old append can't be read again", "append", st.Pos.Append, "error", err)
		o.close()
		return nil, false
	}
	c, err := o.concludeQuietly()
	if c == nil {
		c = last
	}
	return c, err == nil
}

// releaseStep is how many messages are released before others get their turn:
// about 0.1 ms.
const releaseStep = 1000

// release tells the log of what was purged or dropped, bit by bit.
func (o *Owner) release(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.j.Failed():
			return nil
		case <-o.wakeRelease:
		}
		for ctx.Err() == nil && o.releaseSome() {
		}
	}
}

// releaseSome takes one step and reports whether there is more to do.
func (o *Owner) releaseSome() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.st.ReleaseSome(releaseStep)
	o.account() // notes go only now
	return o.st.Trash()
}
