package bus

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/waystation/waystation/internal/registry"
)

// ErrPage: a place in an archive is none that ReadArchive gave.
var ErrPage = errors.New("bus: no such place in the archive")

// ReadArchive gives some of an archive's events with times from from to to (Unix
// milliseconds, both included), as JSON, in no order: those behind the place at, which an
// earlier answer gave as next; "" is the beginning, and what arrived until now is in it. With
// next "" there are no more; there may be some though none are given. At most a chunk's
// events, some 1 MiB.
// Errors: ErrPage; those of partition.Service, which pass.
func (s *Service) ReadArchive(ctx context.Context, a *registry.Archive, from, to int64, at string) (events [][]byte, next string, err error) {
	var p uint32
	var key uint64
	if at == "" {
		for id := range s.parts.Count() {
			if _, err := s.pack(ctx, toPack{a.ID, id}, true); err != nil {
				return nil, "", err
			}
		}
	} else if n, err := fmt.Sscanf(at, "%d.%d", &p, &key); err != nil || n != 2 || p >= s.parts.Count() {
		return nil, "", ErrPage
	}
	c := &cursor{s: s, archive: a, partition: p, next: key, end: math.MaxUint64, from: from, to: to, since: s.oldest(a)}
	if err := c.advance(ctx); err != nil {
		return nil, "", err
	}
	if len(c.page) == 0 {
		if p++; p < s.parts.Count() {
			next = fmt.Sprintf("%d.0", p)
		}
		return nil, next, nil
	}
	list, err := c.read(ctx)
	if err != nil {
		return nil, "", err
	}
	for i := range list {
		if t := eventTime(list[i].text); t >= from && t <= to && list[i].at >= c.since {
			events = append(events, list[i].text)
		}
	}
	return events, fmt.Sprintf("%d.%d", p, c.page[0].key+1), nil
}

// AllArchives are those of all accounts, as this node knows them.
func (s *Service) AllArchives() []*registry.Archive { return s.allArchives() }
