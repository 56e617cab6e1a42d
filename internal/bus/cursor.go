package bus

import (
	"context"
	"errors"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// cursor goes through the chunks of an archive on one partition, in the order in which
// they were made.
type cursor struct {
	s         *Service
	archive   *registry.Archive
	partition uint32
	next, end uint64 // keys: what is not read yet begins at next and ends before end
	from, to  int64  // chunks without events of these times (Unix milliseconds, both included) are passed over
	since     int64  // and those without events that were archived since, Unix milliseconds

	page []found // what is next
	over bool    // there is nothing behind the page
}

type found struct {
	key  uint64
	span span
}

// advance fills the page, unless nothing is left.
func (c *cursor) advance(ctx context.Context) error {
	scan := c.next
	for len(c.page) == 0 && !c.over {
		if scan >= c.end {
			c.over, c.next = true, c.end
			break
		}
		list, next, err := c.s.parts.Scan(ctx, chunksOf(c.archive.ID, c.partition), scan, scanAtOnce)
		if errors.Is(err, partition.ErrQueueGone) {
			list, next, err = nil, 0, nil
		}
		if err != nil {
			return err
		}
		for i := range list {
			if list[i].Key >= c.end {
				next = 0
				break
			}
			if list[i].Name == tallyName {
				continue
			}
			sp, ok := parseSpan(list[i].Reference)
			if ok && (sp.last < c.from || sp.first > c.to || sp.newest < c.since) {
				continue
			}
			c.page = append(c.page, found{list[i].Key, sp})
		}
		if scan = next; next == 0 {
			c.over = true
		}
	}
	return nil
}

// read gives the events of the next chunk; none if it is gone by now.
func (c *cursor) read(ctx context.Context) ([]archivedEvent, error) {
	list, _, err := c.s.parts.Read(ctx, chunksOf(c.archive.ID, c.partition), c.page[0].key, 1)
	if errors.Is(err, partition.ErrQueueGone) || err == nil && (len(list) == 0 || list[0].Key != c.page[0].key) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeChunk(list[0].Payload)
}

// done goes on behind the next chunk.
func (c *cursor) done() {
	c.next = c.page[0].key + 1
	if c.page = c.page[1:]; len(c.page) == 0 && c.over {
		c.next = c.end
	}
}
