package journal

import (
	"context"
	"strconv"
	"time"
)

// Commit tells when a batch of records, and everything before it, is durable. It is shared by all who put
// a record into that batch.
type Commit struct {
	done chan struct{}
	err  error // written before done is closed
}

func newCommit() *Commit { return &Commit{done: make(chan struct{})} }

func failedCommit(err error) *Commit {
	c := newCommit()
	c.finish(err)
	return c
}

func (c *Commit) finish(err error) {
	c.err = err
	close(c.done)
}

// Done is closed when the batch is durable or has failed.
func (c *Commit) Done() <-chan struct{} { return c.done }

// Err is nil if the batch is durable and all before it are, otherwise why the journal failed. It is valid
// once Done is closed.
func (c *Commit) Err() error { return c.err }

// Wait waits for Done and returns Err, or ctx's error if that ends first (the batch may then be stored or
// not).
func (c *Commit) Wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	default:
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// batch is one append on its way. Its journal's mu guards it until it is sealed; from then on buf does
// not change but for the header's last fields, which the writer fills in before it publishes.
type batch struct {
	commit    *Commit
	seq       uint64 // the sequence it will have
	number    uint64 // of its writer's appends
	buf       []byte
	records   int
	complete  bool // header is filled in
	answered  bool // the log has answered, with err
	err       error
	published time.Time
}

// entryID names an append in the log, so that its writer finds out whether it was stored.
func entryID(writer string, number uint64) string {
	return writer + "/" + strconv.FormatUint(number, 10)
}
