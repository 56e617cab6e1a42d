package delivery

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
)

const (
	// logPeriod is how long attempts are gathered before they are written: what a node
	// made in the last moment before it died is not in the log.
	logPeriod = 500 * time.Millisecond
	// maxGathered bounds them, in bytes; at the bound attempts are not logged.
	maxGathered = 4 << 20
	// A chunk is the attempts of one endpoint that are written as one message.
	maxChunk = 48 << 10
	// A post has so many chunks and bytes at most.
	maxPostChunks = 500
	maxPostBytes  = 512 << 10
	// logEvery so many messages of a queue that a node has written, it looks whether
	// there are too many.
	logEvery = 64
	// maxWritten bounds the queues of which that is counted.
	maxWritten = 100_000
	// removeAtOnce so many of them.
	removeAtOnce = 100
)

// attemptLog gathers attempts and writes them, a message for each endpoint and period.
type attemptLog struct {
	s    *Service
	wake chan struct{} // of capacity 1

	mu       sync.Mutex
	gathered map[partition.Target][]byte // by queue; guarded by mu
	full     []chunk                     // guarded by mu
	bytes    int                         // of both; guarded by mu
	written  map[partition.Target]int    // messages since it was looked how many there are; guarded by mu
}

type chunk struct {
	to      partition.Target
	payload []byte
}

func newAttemptLog(s *Service) *attemptLog {
	return &attemptLog{
		s: s, wake: make(chan struct{}, 1),
		gathered: make(map[partition.Target][]byte), written: make(map[partition.Target]int),
	}
}

// add notes an attempt. It gives way to messages: when these take more than half of
// what they may, it is not logged.
func (l *attemptLog) add(q partition.Target, a *Attempt) {
	used, limit, full := l.s.parts.Memory()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bytes >= maxGathered || full || limit > 0 && used > limit/2 {
		l.s.cfg.Observe(Counted{Unlogged: 1})
		return
	}
	to := attemptsOf(q)
	b := l.gathered[to]
	before := len(b)
	if b == nil {
		b = append(b, attemptVersion)
	}
	b = appendAttempt(b, a)
	l.bytes += len(b) - before
	if l.gathered[to] = b; len(b) >= maxChunk {
		l.full = append(l.full, chunk{to, b})
		delete(l.gathered, to)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run writes what is gathered until ctx ends, and what there is then.
func (l *attemptLog) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-l.wake:
			pause(ctx, logPeriod)
		case <-ctx.Done():
		}
		l.write(ctx)
	}
}

// write writes what is gathered.
func (l *attemptLog) write(ctx context.Context) {
	l.mu.Lock()
	list := l.full
	for to, b := range l.gathered {
		list = append(list, chunk{to, b})
	}
	l.full, l.gathered, l.bytes = nil, make(map[partition.Target][]byte), 0
	l.mu.Unlock()
	byPartition := make(map[uint32][]chunk)
	for _, c := range list {
		byPartition[c.to.Partition] = append(byPartition[c.to.Partition], c)
	}
	for id, chunks := range byPartition {
		for len(chunks) > 0 {
			n, bytes := 0, 0
			for n < len(chunks) && n < maxPostChunks && (n == 0 || bytes+len(chunks[n].payload) <= maxPostBytes) {
				bytes += len(chunks[n].payload)
				n++
			}
			l.post(ctx, id, chunks[:n])
			chunks = chunks[n:]
		}
	}
}

func (l *attemptLog) post(ctx context.Context, id uint32, chunks []chunk) {
	items := make([]partition.PostItem, len(chunks))
	for i, c := range chunks {
		var name partition.Name // to remove it by
		_, _ = rand.Read(name[:])
		items[i] = partition.PostItem{Payload: c.payload, Targets: []partition.PostTarget{{Target: c.to, Name: name}}}
	}
	posting, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTime)
	defer cancel()
	if _, err := l.s.parts.Post(posting, id, items); err != nil {
		l.s.log.Warn("attempts to deliver could not be logged", logkey.Partition, id, logkey.Error, err)
		l.s.cfg.Observe(Counted{Unlogged: len(chunks)})
		return
	}
	for _, c := range chunks {
		l.keepBelow(posting, c.to, maxChunks)
	}
}

// keepBelow removes the oldest messages of a queue that has more than max. It looks
// after every logEvery messages, the first time sooner.
func (l *attemptLog) keepBelow(ctx context.Context, q partition.Target, max int) {
	l.mu.Lock()
	n, known := l.written[q]
	if !known {
		if len(l.written) >= maxWritten {
			clear(l.written)
		}
		n = int(l.s.cfg.Chance() * logEvery)
	}
	n++
	due := n >= logEvery
	if due {
		n = 0
	}
	l.written[q] = n
	l.mu.Unlock()
	if !due {
		return
	}
	if err := l.s.removeOldest(ctx, q, max); err != nil {
		l.s.log.Debug("the oldest messages of a log cannot be removed yet", logkey.Resource, q.Queue.String(), logkey.Error, err)
	}
}

// removeOldest messages of a queue until it has no more than max.
func (s *Service) removeOldest(ctx context.Context, q partition.Target, max int) error {
	counts, err := s.parts.CountOf(ctx, q)
	if err != nil {
		return err
	}
	for over := counts.Visible - max; over > 0; {
		list, _, err := s.parts.Read(ctx, q, 0, min(over, removeAtOnce))
		if err != nil || len(list) == 0 {
			return err
		}
		var conditions []partition.Condition
		for i := range list {
			conditions = append(conditions, partition.Condition{Queue: q.Queue, Name: list[i].Name, Key: list[i].Key, Remove: true})
		}
		_, err = s.parts.PostIf(ctx, q.Partition, conditions, nil)
		if errors.Is(err, partition.ErrCondition) {
			return nil // another node removes them
		}
		if err != nil {
			return err
		}
		over -= len(list)
	}
	return nil
}
