package scheduler

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/page"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/scheduler"
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
	v.Range("maxResults", limit, 1, maxListed)
	if err := v.error(); err != nil {
		return l, err
	}
	l = listing{limit: maxListed, asked: append([]string{c.Operation, c.Account, c.Region}, asked...)}
	if limit != nil {
		l.limit = int(*limit)
	}
	if token != "" {
		l.after, err = s.pages.Place(ctx, token, l.asked...)
	}
	return l, named{}.failure(err)
}

// next makes the token of the page behind place, if there are more.
func (s *service) next(ctx context.Context, l listing, more bool, place string) (string, error) {
	if !more {
		return "", nil
	}
	token, err := s.pages.After(ctx, place, l.asked...)
	return token, named{}.failure(err)
}

// place is a position as the text that a token holds.
func place(at scheduler.Position) string {
	return fmt.Sprintf("%s/%d/%x", at.Group, at.Partition, at.After[:])
}

// position is the inverse of place; of "" it is the start.
func position(text string) (at scheduler.Position, err error) {
	if text == "" {
		return at, nil
	}
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return at, page.ErrToken
	}
	at.Group = parts[0]
	p, err := strconv.ParseUint(parts[1], 10, 32)
	if err != nil {
		return at, page.ErrToken
	}
	at.Partition = uint32(p)
	if n, err := hex.Decode(at.After[:], []byte(parts[2])); err != nil || n != len(at.After) {
		return at, page.ErrToken
	}
	return at, nil
}
