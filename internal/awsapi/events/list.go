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
