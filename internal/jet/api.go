package jet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Codes of the JetStream API that matter here; see the server's errors.json.
const (
	codeAccountResources     = 10002 // resource limits exceeded for account
	codeNoPeers              = 10005 // no suitable peers for placement
	codeInsufficient         = 10023 // insufficient resources
	codeMemoryExceeded       = 10028
	codeNoMessage            = 10037 // no message found
	codeNotEnabledForAccount = 10039
	codeStorageExceeded      = 10047 // insufficient storage resources available
	codeMessageTooLarge      = 10054 // message size exceeds maximum allowed
	codeNameInUse            = 10058 // stream name already in use with a different configuration
	codeStreamNotFound       = 10059
	codeWrongSequence        = 10071 // wrong last sequence: N
	codeNotEnabled           = 10076
	codeStoreFailed          = 10077 // the store's own words
	codeWrongSequenceConst   = 10164 // wrong last sequence
)

// errNoAPI: nobody serves the JetStream API.
var errNoAPI = errors.New("no JetStream")

// apiError is the JetStream API's refusal.
type apiError struct {
	Status      int    `json:"code"`
	Code        int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s (%d)", e.Description, e.Code)
}

// Unwrap gives the sentinel that the refusal amounts to; nil if none.
func (e *apiError) Unwrap() error {
	switch e.Code {
	case codeWrongSequence, codeWrongSequenceConst:
		return ErrWrongSequence
	case codeNoMessage, codeStreamNotFound:
		return ErrNotFound
	case codeAccountResources, codeInsufficient, codeMemoryExceeded, codeStorageExceeded:
		return ErrFull
	case codeMessageTooLarge:
		return ErrTooLarge
	case codeStoreFailed:
		for _, words := range []string{"no space left", "maximum bytes exceeded", "maximum messages exceeded", "disk quota"} {
			if strings.Contains(e.Description, words) {
				return ErrFull
			}
		}
		if strings.Contains(e.Description, "too large") {
			return ErrTooLarge
		}
		return nil
	}
	if e.Status == 503 {
		return ErrUnavailable // no leader, not enabled, shutting down
	}
	return nil
}

// within gives ctx a deadline when it has none.
func (c *Conn) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

// request sends msg and waits for one answer, and before that for a connection
// if there is none. Its errors: ctx's own when it was cancelled,
// ErrNoResponders, ErrTooLarge, ErrUnavailable.
func (c *Conn) request(ctx context.Context, nc *nats.Conn, msg *nats.Msg) (*nats.Msg, error) {
	ctx, cancel := c.within(ctx, c.cfg.AckTimeout)
	defer cancel()
	for {
		answer, err := c.requestOnce(ctx, nc, msg)
		if errors.Is(err, nats.ErrReconnectBufExceeded) && c.waitUp(ctx, nc) {
			continue // it was not sent
		}
		if errors.Is(err, context.DeadlineExceeded) && nc == c.writes {
			c.suspect()
		}
		if err != nil {
			return nil, transportError(err)
		}
		return answer, nil
	}
}

func (c *Conn) requestOnce(ctx context.Context, nc *nats.Conn, msg *nats.Msg) (*nats.Msg, error) {
	// The answer would not find its way to a new connection.
	ctx, drop := context.WithCancelCause(ctx)
	defer drop(nil)
	stop := context.AfterFunc(c.life(nc), func() { drop(errDropped) })
	defer stop()
	answer, err := nc.RequestMsgWithContext(ctx, msg)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return answer, err
}

// errDropped: the connection was lost.
var errDropped = errors.New("connection lost")

// transportError maps what nats.go reports.
func transportError(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, nats.ErrNoResponders):
		return ErrNoResponders
	case errors.Is(err, nats.ErrMaxPayload):
		return ErrTooLarge
	case errors.Is(err, nats.ErrBadSubject):
		return err
	case errors.Is(err, nats.ErrConnectionClosed):
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// api calls the JetStream API. in is sent as JSON unless nil; out is filled
// from the answer.
func (c *Conn) api(ctx context.Context, nc *nats.Conn, verb string, in, out any) error {
	msg := &nats.Msg{Subject: "$JS.API." + verb}
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		msg.Data = data
	}
	answer, err := c.request(ctx, nc, msg)
	if errors.Is(err, ErrNoResponders) {
		return fmt.Errorf("%w: %w", ErrUnavailable, errNoAPI)
	}
	if err != nil {
		return err
	}
	// A refusal says so at the beginning. Answers may be long, so that they are
	// not decoded twice.
	if bytes.Contains(answer.Data[:min(len(answer.Data), 512)], []byte(`"error"`)) {
		var failed struct {
			Error *apiError `json:"error"`
		}
		if err := json.Unmarshal(answer.Data, &failed); err != nil {
			return fmt.Errorf("decode the answer of %s: %w", verb, err)
		}
		if failed.Error != nil {
			return failed.Error
		}
	}
	if err := json.Unmarshal(answer.Data, out); err != nil {
		return fmt.Errorf("decode the answer of %s: %w", verb, err)
	}
	return nil
}
