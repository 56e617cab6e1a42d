package registry

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/logkey"
)

// mark is how far the log is known to reach. It stands in a bucket of its own: a
// log that is found shorter has lost what was acknowledged. Other nodes watch it to
// learn that there is something new.
type mark struct {
	Revision uint64   `json:"revision"`
	Entry    uint64   `json:"entry"` // in the log
	Sum      checksum `json:"sum"`
}

const markKey = "registry"

const (
	// markEvery is the least time between two marks.
	markEvery = 50 * time.Millisecond
	// markRetry is how long to wait when one could not be written.
	markRetry = time.Second
)

// MarshalText renders a checksum in hex.
func (s checksum) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText is the inverse of MarshalText.
func (s *checksum) UnmarshalText(b []byte) error {
	n, err := hex.Decode(s[:], b[:min(len(b), 2*len(s))])
	if err == nil && (n != len(s) || len(b) != 2*len(s)) {
		err = errors.New("not a checksum")
	}
	return err
}

// readMark reads the mark; the zero mark when there is none.
func (r *Registry) readMark(ctx context.Context) (m mark, err error) {
	m, _, err = loadMark(ctx, r.cfg.Marks)
	return m, err
}

func loadMark(ctx context.Context, b jet.Bucket) (m mark, revision uint64, err error) {
	e, err := b.Get(ctx, markKey)
	if errors.Is(err, jet.ErrNotFound) {
		return mark{}, 0, nil
	}
	if err != nil {
		return mark{}, 0, fmt.Errorf("registry: read how far the definitions reach: %w", err)
	}
	if err := json.Unmarshal(e.Value, &m); err != nil {
		return mark{}, e.Revision, &DamageError{0, "the mark of how far they reach cannot be read: " + err.Error()}
	}
	return m, e.Revision, nil
}

// keepMark writes how far the log reaches after each change of this node, at most
// every markEvery, until ctx ends.
func (r *Registry) keepMark(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-r.wakeMark:
		case <-ctx.Done():
			return nil
		}
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		if err := r.writeMark(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("how far the definitions reach cannot be noted just now", logkey.Error, err)
			wake(r.wakeMark)
			timer.Reset(markRetry)
			continue
		}
		timer.Reset(markEvery)
	}
}

// writeMark raises the mark to what memory shows.
func (r *Registry) writeMark(ctx context.Context) error {
	r.mu.RLock()
	m := mark{r.state.revision, r.state.seq, r.state.sum}
	r.mu.RUnlock()
	for {
		old, revision, err := loadMark(ctx, r.cfg.Marks)
		if err != nil {
			return err
		}
		if old.Revision >= m.Revision {
			return nil
		}
		err = putMark(ctx, r.cfg.Marks, m, revision)
		if !errors.Is(err, jet.ErrWrongSequence) && !errors.Is(err, jet.ErrExists) {
			return err
		}
	}
}

// putMark replaces the mark that has the given revision in the bucket.
func putMark(ctx context.Context, b jet.Bucket, m mark, revision uint64) (err error) {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if revision == 0 {
		_, err = b.Create(ctx, markKey, data)
	} else {
		_, err = b.Update(ctx, markKey, data, revision)
	}
	return err
}

// watchMark has the log read when another node's mark is ahead of memory.
func (r *Registry) watchMark(ctx context.Context) error {
	err := r.cfg.Marks.Watch(ctx, markKey, func(e jet.KVEntry) {
		var m mark
		if json.Unmarshal(e.Value, &m) == nil && m.Revision > r.Revision() {
			wake(r.wakeReader)
		}
	}, func() {})
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("registry: watch how far the definitions reach: %w", err)
}
