package jet

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// readAhead is how many bytes Read asks for at a time. Up to three such
	// chunks are in memory: one at fn, one waiting, one arriving.
	readAhead = 8 << 20
	// maxBatch bounds the entries of one GetRange.
	maxBatch = 16384
	// readAttempts is how often in a row Read asks without getting anything.
	readAttempts = 4
)

// getRequest asks for entries; see JSApiMsgGetRequest in the server's source.
type getRequest struct {
	Seq      uint64 `json:"seq,omitempty"`
	LastFor  string `json:"last_by_subj,omitempty"`
	NextFor  string `json:"next_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

// Get reads one entry. Any replica may answer; when one does not have it, the
// leader is asked before ErrNotFound is believed.
func (s *Stream) Get(ctx context.Context, seq uint64) (Entry, error) {
	e, err := s.get(ctx, seq)
	if err != nil {
		return Entry{}, fmt.Errorf("jet: read entry %d of stream %s: %w", seq, s.name, err)
	}
	return e, nil
}

func (s *Stream) get(ctx context.Context, seq uint64) (Entry, error) {
	if seq == 0 {
		return Entry{}, ErrNotFound
	}
	msg := &nats.Msg{
		Subject: "$JS.API.DIRECT.GET." + s.name,
		Data:    fmt.Appendf(nil, `{"seq":%d}`, seq),
	}
	answer, err := s.c.request(ctx, s.c.reads, msg)
	if err == nil {
		var e Entry
		if e, _, err = directEntry(answer); err == nil {
			return e, nil
		}
	}
	if ctx.Err() != nil {
		return Entry{}, err
	}
	// Missing there, or nobody answered: only the leader knows.
	return s.leaderGet(ctx, getRequest{Seq: seq})
}

// leaderGet asks the stream's leader for one entry.
func (s *Stream) leaderGet(ctx context.Context, req getRequest) (Entry, error) {
	e, _, _, err := s.leaderMessage(ctx, req)
	return e, err
}

// leaderMessage also returns the message's subject and headers.
func (s *Stream) leaderMessage(ctx context.Context, req getRequest) (Entry, string, nats.Header, error) {
	var out struct {
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Headers string    `json:"hdrs"`
			Data    string    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := s.c.api(ctx, s.c.reads, "STREAM.MSG.GET."+s.name, req, &out); err != nil {
		return Entry{}, "", nil, err
	}
	m := out.Message
	raw, err := base64.StdEncoding.DecodeString(m.Headers)
	if err != nil {
		return Entry{}, "", nil, fmt.Errorf("decode headers: %w", err)
	}
	data, err := base64.StdEncoding.DecodeString(m.Data)
	if err != nil {
		return Entry{}, "", nil, fmt.Errorf("decode data: %w", err)
	}
	var header nats.Header
	if len(raw) > 0 {
		if header, err = nats.DecodeHeadersMsg(raw); err != nil {
			return Entry{}, "", nil, fmt.Errorf("decode headers: %w", err)
		}
	}
	return Entry{Seq: m.Seq, Time: m.Time, ID: header.Get(headerID), Data: data}, m.Subject, header, nil
}

// directEntry reads an answer to a direct get. before is the sequence of the
// entry that came before it in the same batch, 0 for the first.
func directEntry(m *nats.Msg) (e Entry, before uint64, err error) {
	if status := m.Header.Get("Status"); status != "" && len(m.Data) == 0 {
		switch status {
		case "404":
			return e, 0, ErrNotFound
		case "503":
			return e, 0, fmt.Errorf("%w: the stream has no leader", ErrUnavailable)
		case "204":
			return e, 0, errEndOfBatch
		}
		return e, 0, fmt.Errorf("%w: status %s %s", ErrUnavailable, status, m.Header.Get("Description"))
	}
	if e.Seq, err = strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64); err != nil {
		return e, 0, fmt.Errorf("%w: answer without a sequence", ErrUnavailable)
	}
	if t := m.Header.Get(jetstream.TimeStampHeaer); t != "" {
		if e.Time, err = time.Parse(time.RFC3339Nano, t); err != nil {
			return e, 0, fmt.Errorf("%w: answer with a bad time: %w", ErrUnavailable, err)
		}
	}
	if l := m.Header.Get("Nats-Last-Sequence"); l != "" {
		if before, err = strconv.ParseUint(l, 10, 64); err != nil {
			return e, 0, fmt.Errorf("%w: answer with a bad last sequence", ErrUnavailable)
		}
	}
	e.ID = m.Header.Get(headerID)
	e.Data = m.Data
	return e, before, nil
}

// errEndOfBatch: the last answer of a batch, without an entry.
var errEndOfBatch = errors.New("end of batch")

// GetRange reads entries in order, beginning with the first whose sequence is
// at least from, until maxBytes are reached (headers count; the last one may go
// beyond) or the stream ends. At least one entry is returned if there is any; fewer than there
// are may be. None and no error: there is none, the leader says so.
func (s *Stream) GetRange(ctx context.Context, from uint64, maxBytes int) ([]Entry, error) {
	list, err := s.getRange(ctx, from, maxBytes)
	if err != nil {
		return nil, fmt.Errorf("jet: read stream %s from %d: %w", s.name, from, err)
	}
	return list, nil
}

func (s *Stream) getRange(ctx context.Context, from uint64, maxBytes int) ([]Entry, error) {
	from = max(from, 1)
	list, err := s.batch(ctx, getRequest{Seq: from, Batch: maxBatch, MaxBytes: max(maxBytes, 1)})
	if len(list) > 0 {
		return list, nil // what came is in order and without gaps, whatever happened then
	}
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	e, err := s.leaderGet(ctx, getRequest{Seq: from, NextFor: s.subject})
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []Entry{e}, nil
}

// batch asks any replica for entries. It returns those that came in order
// without loss, and why there are no more, nil at the end of the batch.
func (s *Stream) batch(ctx context.Context, req getRequest) (list []Entry, err error) {
	nc := s.c.reads
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return nil, transportError(err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // fails only on a closed connection
	// Bounded by the request.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, transportError(err)
	}
	alive := s.c.life(nc)
	msg := fmt.Appendf(nil, `{"seq":%d,"batch":%d,"max_bytes":%d}`, req.Seq, req.Batch, req.MaxBytes)
	if err := nc.PublishRequest("$JS.API.DIRECT.GET."+s.name, sub.Subject, msg); err != nil {
		return nil, transportError(err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(alive, func() { cancel(errDropped) })
	defer stop()
	var last uint64
	for {
		m, err := s.next(ctx, sub)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = transportError(cause)
			}
			return list, err
		}
		e, before, err := directEntry(m)
		if errors.Is(err, errEndOfBatch) || errors.Is(err, ErrNotFound) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		if before != last || alive.Err() != nil {
			return list, fmt.Errorf("%w: answers were lost", ErrUnavailable)
		}
		last = e.Seq
		list = append(list, e)
	}
}

// next waits for one answer, AckTimeout at most.
func (s *Stream) next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.cfg.AckTimeout)
	defer cancel()
	m, err := sub.NextMsgWithContext(ctx)
	if err != nil {
		return nil, transportError(err)
	}
	return m, nil
}

// Read calls fn for every entry from from to to, both included, in order. The
// first may be a later one than from when the start was purged; after that none
// may be missing, else ErrNotFound. An error of fn ends it and is returned as
// it is. fn may keep the data. Short interruptions are bridged; ErrUnavailable
// is returned after some attempts without an answer.
func (s *Stream) Read(ctx context.Context, from, to uint64, fn func(Entry) error) error {
	if from > to {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type chunk struct {
		list []Entry
		err  error
	}
	chunks := make(chan chunk, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(chunks)
		next, failures := from, 0
		for next <= to {
			list, err := s.getRange(ctx, next, readAhead)
			if errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
				if failures++; failures < readAttempts {
					s.c.waitUp(ctx, s.c.reads, s.c.writes)
					continue
				}
			}
			if len(list) == 0 && err == nil {
				err = s.missing(ctx, next, to)
			}
			failures = 0
			select {
			case chunks <- chunk{list, err}:
			case <-ctx.Done():
				return
			}
			if err != nil || len(list) == 0 {
				return
			}
			next = list[len(list)-1].Seq + 1
		}
	}()
	defer func() { <-done }()
	defer cancel() // before waiting

	var last uint64
	for c := range chunks {
		if c.err != nil {
			return fmt.Errorf("jet: read stream %s: %w", s.name, c.err)
		}
		for _, e := range c.list {
			if e.Seq > to {
				if last != 0 && last != to {
					return fmt.Errorf("jet: read stream %s: entry %d: %w", s.name, last+1, ErrNotFound)
				}
				return nil
			}
			if last != 0 && e.Seq != last+1 {
				return fmt.Errorf("jet: read stream %s: entry %d: %w", s.name, last+1, ErrNotFound)
			}
			last = e.Seq
			if err := fn(e); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// missing explains why the stream has no entry from next on, though entries up
// to to were asked for: nil when they were purged.
func (s *Stream) missing(ctx context.Context, next, to uint64) error {
	first, last, err := s.state(ctx)
	if err != nil {
		return err
	}
	if first > to {
		return nil
	}
	return fmt.Errorf("entry %d (the stream holds %d to %d): %w", next, first, last, ErrNotFound)
}
