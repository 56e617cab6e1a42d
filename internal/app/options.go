package app

import (
	"log/slog"
)

// Options are what a server gets from its surroundings rather than from its
// configuration.
type Options struct {
	// Log takes the log; nil discards it.
	Log *slog.Logger
	// Reload asks, each time, for the keys file to be read again; nil: never. It is
	// read when it has changed in any case.
	Reload <-chan struct{}
	// Listening is called once the address is taken, before the services are
	// ready; nil: not called.
	Listening func(Banner)
}

// Level is the configured level; Validate has checked it.
func (c *Config) Level() slog.Level { return logLevels[c.LogLevel] }
