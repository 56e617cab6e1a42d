package journal

import (
	"context"
	"time"
)

// Entry is one entry of the log.
type Entry struct {
	Seq  uint64
	Time time.Time
	ID   string
	Data []byte
}

// Journal is the fenced, group-committed log under a set of queues. See doc.go.
type Journal struct{ failed chan struct{} }

// New makes a Journal. It starts nothing: Claim, then Run.
func New(c Config) (*Journal, error) {
	if _, err := c.withDefaults(); err != nil {
		return nil, err
	}
	return &Journal{failed: make(chan struct{})}, nil
}

// Commit tells when a batch of records is durable.
type Commit struct {
	done chan struct{}
	err  error
}

// Done is closed when the batch is durable or has failed.
func (c *Commit) Done() <-chan struct{} { return c.done }

// Err is nil once durable; valid after Done.
func (c *Commit) Err() error { return c.err }

// Wait waits for Done or ctx.
func (c *Commit) Wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (j *Journal) Claim(ctx context.Context, replay func(pos Pos, rec []byte) error, progress func(Progress)) error {
	return ErrClosed
}
func (j *Journal) Run(ctx context.Context) error                              { return ErrClosed }
func (j *Journal) Append(rec []byte) (Pos, *Commit, error)                    { return Pos{}, nil, ErrClosed }
func (j *Journal) Barrier() *Commit                                           { return &Commit{done: make(chan struct{}), err: ErrClosed} }
func (j *Journal) Read(ctx context.Context, pos Pos, n int) ([]byte, error)   { return nil, ErrClosed }
func (j *Journal) TryRead(pos Pos, n int) ([]byte, bool)                      { return nil, false }
func (j *Journal) Retain(append uint64, bytes int)                            {}
func (j *Journal) Release(append uint64, bytes int)                           {}
func (j *Journal) Rewrite() <-chan struct{}                                   { return nil }
func (j *Journal) Oldest(ctx context.Context, maxBytes int) ([]Stored, error) { return nil, ErrClosed }
func (j *Journal) Stats() Stats                                               { return Stats{} }
func (j *Journal) Failed() <-chan struct{}                                    { return j.failed }
func (j *Journal) Err() error                                                 { return nil }
