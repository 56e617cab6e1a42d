package events

import (
	"context"

	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// listing is a list that is given in pages.
type listing struct {
	limit int
	after string // place behind which it begins
	// asked is what makes it this list: a token goes with no other.
	asked []string
}

// list reads where a list goes on.
func (s *service) list(ctx context.Context, v *problems, c *protocol.Call, limit *int32, token string, asked ...string) (l listing, err error) {
	v.Range("limit", limit, 1, maxListed)
	if err := v.error(); err != nil {
		return l, err
	}
	l = listing{limit: maxListed, asked: append([]string{c.Operation, c.Account}, asked...)}
	if limit != nil {
		l.limit = int(*limit)
	}
	if token != "" {
		l.after, err = s.pages.Place(ctx, token, l.asked...)
	}
	return l, failure(err)
}

// next makes the token of the page behind place, if there are more.
func (s *service) next(ctx context.Context, l listing, more bool, place string) (string, error) {
	if !more {
		return "", nil
	}
	token, err := s.pages.After(ctx, place, l.asked...)
	return token, failure(err)
}

// filters of a list of archives or replays, of which a request has one at most.
type filters struct{ prefix, source, state string }

// filtered is list for what is of a kind, in names of up to longest characters and in one of
// states, for a caller that may do operation with all of them.
func (s *service) filtered(ctx context.Context, c *protocol.Call, kind, operation string, longest int, states []string, limit *int32, token string, f filters) (l listing, err error) {
	var v problems
	if f.prefix != "" {
		v.Pattern("namePrefix", f.prefix, 1, longest, namePattern, ".-")
	}
	if f.source != "" {
		v.Length("eventSourceArn", f.source, 1, maxARN)
	}
	v.Enum("state", f.state, states...)
	if l, err = s.list(ctx, &v, c, limit, token, c.Region, f.prefix, f.source, f.state); err != nil {
		return l, err
	}
	given := 0
	for _, x := range []string{f.prefix, f.source, f.state} {
		if x != "" {
			given++
		}
	}
	if given > 1 {
		return l, invalid("At most one filter is allowed for " + operation + ". Use either : State, EventSourceArn, or NamePrefix.")
	}
	return l, s.allowAccount(c, c.Account, "events:"+operation, ownARN(c, kind, "*"))
}
