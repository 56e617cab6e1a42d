package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Bounds of an append, in bytes.
const (
	// MaxInFlightLimit is the highest MaxInFlight. It is part of the log's format: a claim writes that
	// many fence entries, which is what keeps pipelined appends of a former owner out (see doc.go).
	MaxInFlightLimit = 4

	// envelope is what a log may add to an entry (subject, headers), taken off MaxPayload.
	envelope = 4 << 10

	defaultMaxAppend   = 256 << 10
	defaultMaxInFlight = 2
	defaultMaxPayload  = 8 << 20
	defaultMaxPending  = 64 << 20
	defaultCacheBytes  = 64 << 20
	defaultReadAhead   = 2 << 20
	defaultFloor       = 16 << 20
	defaultTrimBytes   = 8 << 20
	defaultTrimEvery   = time.Second
	defaultTrimAge     = 5 * time.Second
	defaultFlush       = 10 * time.Second
	defaultGiveUp      = 30 * time.Second
	maxWriterLen       = 64
)

// Config says on what log a Journal stands and how it may use memory. Zero values take the defaults.
type Config struct {
	Log    Log    // required
	Name   string // of the log, for messages to operators
	Writer string // required: unique for every Journal ever made on this log, at most 64 bytes

	MaxAppend   int // bytes at which a batch of several records is sealed; default 256 KiB
	MaxInFlight int // appends published and not acknowledged, 1..MaxInFlightLimit
	MaxPayload  int // bytes of the largest message that the log takes, hard bound of one append; default 8 MiB
	MaxPending  int // bytes not yet durable, beyond which Append answers ErrBusy; default 64 MiB
	CacheBytes  int // bytes of recently written and read appends held in memory; default 64 MiB
	ReadAhead   int // bytes that one read may fetch when reads go in order; default 2 MiB

	RewriteFloor int64         // bytes retained below which no rewriting is asked for; default 16 MiB
	TrimEvery    time.Duration // shortest time between two looks at what can be trimmed; default 1 s
	TrimBytes    int64         // a dead prefix of so many bytes is trimmed at the next look; default 8 MiB
	TrimAge      time.Duration // any dead prefix is trimmed after this time; default 5 s
	FlushTimeout time.Duration // how long Run goes on storing what is pending after it was stopped; default 10 s
	GiveUp       time.Duration // how long an unreachable log is tried again before the journal fails; default 30 s

	Logger  *slog.Logger
	Now     func() time.Time
	Observe Observer
}

// Observer holds hooks for metrics. Each may be nil; each is called from the journal's goroutines and must
// return at once.
type Observer struct {
	// Appended: an append of so many records and bytes became durable, latency after it was published.
	Appended func(latency time.Duration, records, bytes int)
	// Fetched: reads that memory could not answer took so many appends from the log.
	Fetched func(latency time.Duration, appends, bytes int)
	// Trimmed: so many appends were removed from the log.
	Trimmed func(appends uint64)
}

func (c Config) withDefaults() (Config, error) {
	if c.Log == nil {
		return c, errors.New("journal: config: Log is missing")
	}
	if c.Writer == "" || len(c.Writer) > maxWriterLen {
		return c, fmt.Errorf("journal: config: Writer must have 1 to %d bytes", maxWriterLen)
	}
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.MaxAppend, defaultMaxAppend)
	def(&c.MaxInFlight, defaultMaxInFlight)
	def(&c.MaxPayload, defaultMaxPayload)
	def(&c.MaxPending, defaultMaxPending)
	def(&c.CacheBytes, defaultCacheBytes)
	def(&c.ReadAhead, defaultReadAhead)
	if c.RewriteFloor == 0 {
		c.RewriteFloor = defaultFloor
	}
	if c.TrimBytes == 0 {
		c.TrimBytes = defaultTrimBytes
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&c.TrimEvery, defaultTrimEvery}, {&c.TrimAge, defaultTrimAge},
		{&c.FlushTimeout, defaultFlush}, {&c.GiveUp, defaultGiveUp},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
		if *d.v < 0 {
			return c, errors.New("journal: config: a duration is negative")
		}
	}
	switch {
	case c.MaxInFlight < 1 || c.MaxInFlight > MaxInFlightLimit:
		return c, fmt.Errorf("journal: config: MaxInFlight must be 1 to %d", MaxInFlightLimit)
	case c.MaxPayload < 64<<10 || c.MaxPayload > 1<<30:
		return c, errors.New("journal: config: MaxPayload must be 64 KiB to 1 GiB")
	case c.MaxAppend < 1<<10 || c.MaxAppend > c.MaxPayload-envelope:
		return c, errors.New("journal: config: MaxAppend must be at least 1 KiB and 4 KiB less than MaxPayload")
	case c.MaxPending < c.MaxAppend:
		return c, errors.New("journal: config: MaxPending must be at least MaxAppend")
	case c.CacheBytes < 0 || c.ReadAhead < 0 || c.RewriteFloor < 0 || c.TrimBytes < 0:
		return c, errors.New("journal: config: a size is negative")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}
