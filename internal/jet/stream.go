package jet

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// headerID carries an entry's ID. It is not Nats-Msg-Id: the server must not
// drop duplicates by it.
const headerID = "Ws-Id"

// maxID bounds an entry's ID in bytes, so that headers stay within headroom.
const maxID = 256

// Stream is one sequence of entries. Safe for concurrent use.
type Stream struct {
	c       *Conn
	name    string
	subject string
}

// Stream opens a stream, or creates it when there is none. One that exists with
// other settings is left alone: *DriftError.
func (c *Conn) Stream(ctx context.Context, spec StreamSpec) (*Stream, error) {
	if !validName(spec.Name) || !validSubject(spec.Subject) {
		return nil, fmt.Errorf("jet: stream %q with subject %q: not a valid name and subject", spec.Name, spec.Subject)
	}
	if err := c.ensure(ctx, streamConfig(spec, c.cfg.Replicas)); err != nil {
		return nil, fmt.Errorf("jet: open stream %s: %w", spec.Name, err)
	}
	return &Stream{c: c, name: spec.Name, subject: spec.Subject}, nil
}

// ensure makes sure that a stream exists and is as wanted. External servers get
// startTimeout for it: a cluster that starts has to elect leaders and to find
// its members first.
func (c *Conn) ensure(ctx context.Context, want jetstream.StreamConfig) error {
	ctx, cancel := c.within(ctx, startTimeout)
	defer cancel()
	return c.untilReady(ctx, func(ctx context.Context) error { return c.ensureOnce(ctx, want) })
}

func (c *Conn) ensureOnce(ctx context.Context, want jetstream.StreamConfig) error {
	var info jetstream.StreamInfo
	err := c.api(ctx, c.writes, "STREAM.INFO."+want.Name, nil, &info)
	if errors.Is(err, ErrNotFound) {
		err = c.api(ctx, c.writes, "STREAM.CREATE."+want.Name, want, &info)
		var api *apiError
		if errors.As(err, &api) && api.Code == codeNameInUse {
			// Another one was quicker, with other settings.
			err = c.api(ctx, c.writes, "STREAM.INFO."+want.Name, nil, &info)
		}
	}
	if err != nil {
		return err
	}
	if c.embedded != nil {
		if err := c.embedded.reaches.check(want.Name, info.State.LastSeq); err != nil {
			return err
		}
	}
	return driftOf(info.Config, want)
}

// validSubject tells whether s is a subject without wildcards.
func validSubject(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || len(s) > 256 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ', c == '*', c == '>', c > '~', c == '.' && s[i-1] == '.':
			return false
		}
	}
	return true
}

// Name of the stream.
func (s *Stream) Name() string { return s.name }

// Append stores data as the entry after expectLast, if that is the last one;
// 0 for an empty stream that never held anything. It returns at once, several may be under way, and they are sent in
// the order of the calls. data must not be modified afterwards.
//
// done is called exactly once, from another goroutine, and must not block:
//   - nil: the entry is durable, seq is its sequence;
//   - ErrWrongSequence: another entry stands there; not stored;
//   - ErrFull: no room; not stored;
//   - ErrTooLarge: not stored;
//   - ErrUnavailable: not known whether stored. Read before deciding, and mind
//     that it may still be stored after that read, unless another entry takes
//     its sequence;
//   - another error: refused, not stored.
func (s *Stream) Append(data []byte, id string, expectLast uint64, done func(seq uint64, err error)) {
	if len(data) > s.c.maxPayload || !validID(id) {
		err := fmt.Errorf("jet: append %d bytes to %s: %w", len(data), s.name, ErrTooLarge)
		if len(data) <= s.c.maxPayload {
			err = fmt.Errorf("jet: append to %s: invalid id", s.name)
		}
		s.c.publisher.fail(err, done)
		return
	}
	s.c.publisher.publish(&nats.Msg{
		Subject: s.subject,
		Header: nats.Header{
			jetstream.ExpectedLastSeqHeader: {strconv.FormatUint(expectLast, 10)},
			jetstream.ExpectedStreamHeader:  {s.name},
			headerID:                        {id},
		},
		Data: data,
	}, done)
}

func validID(id string) bool {
	if len(id) > maxID {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// streamState is what is needed of a stream's state.
type streamState struct {
	State struct {
		Messages uint64 `json:"messages"`
		FirstSeq uint64 `json:"first_seq"`
		LastSeq  uint64 `json:"last_seq"`
	} `json:"state"`
}

func (s *Stream) state(ctx context.Context) (first, last uint64, err error) {
	var info streamState
	if err := s.c.api(ctx, s.c.writes, "STREAM.INFO."+s.name, nil, &info); err != nil {
		return 0, 0, fmt.Errorf("jet: state of stream %s: %w", s.name, err)
	}
	first, last = info.State.FirstSeq, info.State.LastSeq
	if info.State.Messages == 0 {
		first = last + 1 // the server says 0 for a stream that never held anything
	}
	return first, last, nil
}

// Last is the sequence of the newest entry there ever was, purged or not; 0 if
// none. The stream's leader answers.
func (s *Stream) Last(ctx context.Context) (uint64, error) {
	_, last, err := s.state(ctx)
	return last, err
}

// Bounds are the sequences of the oldest and the newest entry. An empty stream
// has first = last + 1. The stream's leader answers.
func (s *Stream) Bounds(ctx context.Context) (first, last uint64, err error) {
	return s.state(ctx)
}

// Purge removes every entry with a sequence below before. Sequences are never
// used again.
func (s *Stream) Purge(ctx context.Context, before uint64) error {
	if before <= 1 {
		return nil
	}
	ctx, cancel := s.c.within(ctx, max(s.c.cfg.AckTimeout, time.Minute))
	defer cancel()
	var out struct {
		Purged uint64 `json:"purged"`
	}
	in := struct {
		Seq uint64 `json:"seq"`
	}{before}
	if err := s.c.api(ctx, s.c.writes, "STREAM.PURGE."+s.name, in, &out); err != nil {
		return fmt.Errorf("jet: purge stream %s before %d: %w", s.name, before, err)
	}
	return nil
}
