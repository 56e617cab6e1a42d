package jet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// watchHeartbeat is how often the server shows signs of life to a watch.
	watchHeartbeat = 5 * time.Second
	// watchIdle is after how long the server forgets a watch that does not ask
	// for more. It must be well below MarkerLife: see Watch.
	watchIdle = 20 * time.Second
	// watchBatch is how many changes may be on their way.
	watchBatch = 1024
	// watchQuiet is after how long without a message, while the first state is
	// coming in, the server is asked whether that was all.
	watchQuiet = 2 * time.Second
)

// Watch calls fn for every key that matches pattern (a key; * for one part
// between dots; > for the rest) and has a value, then initial once, then fn for
// every change in the order of revisions; several quick changes of one key may
// come as the last of them. It blocks, calls fn and initial from the calling
// goroutine, and returns only when ctx is done (ctx's error) or the Conn was
// closed (ErrClosed).
//
// It survives lost connections, restarted servers and new leaders. After each
// it compares the whole bucket with what it has reported: changes are reported,
// keys that are gone as deleted. Deletions are remembered by the server for
// Config.MarkerLife, and a watch that did not hear from it for 20 s starts over
// in this way, so that none is missed.
func (kv *KV) Watch(ctx context.Context, pattern string, fn func(KVEntry), initial func()) error {
	w := &watch{kv: kv, pattern: pattern, fn: fn, initial: initial, known: make(map[string]uint64)}
	for attempt := 0; ; attempt++ {
		progress, err := w.round(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, ErrClosed) {
			return kv.failed("watch", pattern, err)
		}
		if progress {
			attempt = 0
		}
		kv.stream.c.log.Warn("watch was interrupted, starting over", keyStream, kv.stream.name, keyError, err)
		kv.stream.c.waitUp(ctx, kv.stream.c.reads)
		if err := backoff(ctx, attempt); err != nil {
			return err
		}
	}
}

// backoff waits 10 ms, doubled with each attempt up to 2 s.
func backoff(ctx context.Context, attempt int) error {
	timer := time.NewTimer(min(10*time.Millisecond<<min(attempt, 10), 2*time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch is the state of one Watch. One goroutine uses it.
type watch struct {
	kv      *KV
	pattern string
	fn      func(KVEntry)
	initial func() // nil once called

	known map[string]uint64 // keys that were reported with a value, and the revision
	last  uint64            // highest revision seen
}

// round follows the bucket until something goes wrong, and tells whether it
// got as far as having seen everything.
func (w *watch) round(ctx context.Context) (progress bool, err error) {
	c := w.kv.stream.c
	alive := c.life(c.reads)
	js, err := jetstream.New(c.reads, jetstream.WithDefaultTimeout(c.cfg.AckTimeout))
	if err != nil {
		return false, err
	}
	consumer, err := js.CreateConsumer(ctx, w.kv.stream.name, jetstream.ConsumerConfig{
		FilterSubject:     w.kv.prefix + w.pattern,
		DeliverPolicy:     jetstream.DeliverLastPerSubjectPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: watchIdle,
	})
	if err != nil {
		return false, watchError(err)
	}
	defer w.drop(js, consumer.CachedInfo().Name)
	it, err := consumer.Messages(
		jetstream.PullMaxMessages(watchBatch),
		jetstream.PullHeartbeat(watchHeartbeat),
		jetstream.WithMessagesErrOnMissingHeartbeat(true),
	)
	if err != nil {
		return false, watchError(err)
	}
	defer it.Stop()
	// A lost connection takes messages with it; so start over.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(alive, func() { cancel(errDropped) })
	defer stop()

	seen := make(map[string]struct{}) // of this round; nil once it saw everything
	caughtUp := func() error {
		if err := w.caughtUp(ctx, seen); err != nil {
			return err
		}
		seen, progress = nil, true
		return nil
	}
	if consumer.CachedInfo().NumPending == 0 {
		if err := caughtUp(); err != nil {
			return false, err
		}
	}
	for next := uint64(1); ; next++ {
		msg, err := w.next(ctx, it, seen != nil)
		if errors.Is(err, errQuiet) {
			// What was still pending may have gone meanwhile.
			next--
			info, err := consumer.Info(ctx)
			if err != nil {
				return progress, watchError(err)
			}
			if info.NumPending == 0 && info.Delivered.Consumer == next {
				if err := caughtUp(); err != nil {
					return false, err
				}
			}
			continue
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return progress, watchError(err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return progress, err
		}
		if meta.Sequence.Consumer != next {
			return progress, errors.New("changes were lost on their way")
		}
		key := strings.TrimPrefix(msg.Subject(), w.kv.prefix)
		if seen != nil {
			seen[key] = struct{}{}
		}
		w.report(KVEntry{
			Key:      key,
			Value:    msg.Data(),
			Revision: meta.Sequence.Stream,
			Deleted:  isDeletion(msg.Headers()),
		})
		if seen != nil && meta.NumPending == 0 {
			if err := caughtUp(); err != nil {
				return false, err
			}
		}
	}
}

// next waits for a message; during the first part of a round not for long.
func (w *watch) next(ctx context.Context, it jetstream.MessagesContext, initial bool) (jetstream.Msg, error) {
	if !initial {
		return it.Next(jetstream.NextContext(ctx))
	}
	waiting, cancel := context.WithTimeout(ctx, watchQuiet)
	defer cancel()
	msg, err := it.Next(jetstream.NextContext(waiting))
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return nil, errQuiet
	}
	return msg, err
}

// errQuiet: nothing came for watchQuiet.
var errQuiet = errors.New("nothing came")

// watchError maps what the jetstream package reports.
func watchError(err error) error {
	if errors.Is(err, jetstream.ErrConnectionClosed) {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return transportError(err)
}

// report hands on what is news.
func (w *watch) report(e KVEntry) {
	w.last = max(w.last, e.Revision)
	before, known := w.known[e.Key]
	if known && e.Revision < before || known && e.Revision == before && !e.Deleted {
		return
	}
	if e.Deleted {
		e.Value = nil
		delete(w.known, e.Key)
	} else {
		w.known[e.Key] = e.Revision
	}
	w.fn(e)
}

// caughtUp is called when a round has seen everything there is: what was known
// and is not there any more was deleted. The round may have been served by a
// replica that lags behind what an earlier one saw, so that the leader is asked
// about each of them.
func (w *watch) caughtUp(ctx context.Context, seen map[string]struct{}) error {
	for _, key := range slices.Sorted(maps.Keys(w.known)) {
		if _, ok := seen[key]; ok {
			continue
		}
		e, err := w.kv.get(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
			e = KVEntry{Key: key, Revision: w.last, Deleted: true}
		case err != nil:
			return err
		}
		if e.Deleted || e.Revision > w.known[key] {
			w.report(e)
		}
	}
	if w.initial != nil {
		w.initial()
		w.initial = nil
	}
	return nil
}

// drop removes the consumer of a round. The server would do so by itself.
func (w *watch) drop(js jetstream.JetStream, name string) {
	if !w.kv.stream.c.Connected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = js.DeleteConsumer(ctx, w.kv.stream.name, name)
}
