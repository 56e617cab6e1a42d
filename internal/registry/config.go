package registry

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// DefaultMaxQueues is how many queues there can be unless Config says otherwise.
const DefaultMaxQueues = 1_000_000

// DefaultRefresh is Config.Refresh unless it says otherwise: one request to the
// log's leader each time.
const DefaultRefresh = 2 * time.Second

// Config of a Registry.
type Config struct {
	// Log holds the definitions, and Marks how far it reaches. Required. See Open.
	Log   jet.Log
	Marks jet.Bucket
	// Place chooses the partition of a queue that is about to be created, one at a
	// time. It may read the registry but not change it. nil: partition 0. See
	// SetPlacer.
	Place func(*Queue) uint32
	// NewID makes an incarnation's number, random and never 0. nil: crypto/rand.
	NewID func() uint64
	// Now is the clock of Created and Modified. nil: time.Now.
	Now func() time.Time
	// Random is where secrets come from. nil: crypto/rand.
	Random io.Reader
	// MaxQueues bounds the queues of all accounts together; creating one more
	// is ErrTooMany. 0: DefaultMaxQueues. Nodes that create at the same instant
	// may overshoot it by a few.
	MaxQueues int
	// MaxTopics and MaxSubscriptions bound those in the same way. 0:
	// DefaultMaxTopics, DefaultMaxSubscriptions.
	MaxTopics, MaxSubscriptions int
	// MaxBuses and MaxRules bound those in the same way. 0: DefaultMaxBuses,
	// DefaultMaxRules.
	MaxBuses, MaxRules int
	// MaxConnections and MaxAPIDestinations bound those in the same way. 0:
	// DefaultMaxConnections, DefaultMaxAPIDestinations.
	MaxConnections, MaxAPIDestinations int
	// MaxScheduleGroups bounds those in the same way. 0: DefaultMaxScheduleGroups.
	MaxScheduleGroups int
	// Refresh bounds how long a change can stay unseen by this node when the node
	// that made it died before it could tell. 0: DefaultRefresh.
	Refresh time.Duration
	// Logger; nil discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Log == nil || c.Marks == nil {
		return c, errors.New("registry: Config.Log or Config.Marks is missing")
	}
	if c.Refresh < 0 {
		return c, errors.New("registry: Config.Refresh is negative")
	}
	if c.Refresh == 0 {
		c.Refresh = DefaultRefresh
	}
	for _, limit := range []struct {
		name     string
		n        *int
		standard int
	}{
		{"MaxQueues", &c.MaxQueues, DefaultMaxQueues},
		{"MaxTopics", &c.MaxTopics, DefaultMaxTopics},
		{"MaxSubscriptions", &c.MaxSubscriptions, DefaultMaxSubscriptions},
		{"MaxBuses", &c.MaxBuses, DefaultMaxBuses},
		{"MaxRules", &c.MaxRules, DefaultMaxRules},
		{"MaxConnections", &c.MaxConnections, DefaultMaxConnections},
		{"MaxAPIDestinations", &c.MaxAPIDestinations, DefaultMaxAPIDestinations},
		{"MaxScheduleGroups", &c.MaxScheduleGroups, DefaultMaxScheduleGroups},
	} {
		if *limit.n < 0 {
			return c, errors.New("registry: Config." + limit.name + " is negative")
		}
		if *limit.n == 0 {
			*limit.n = limit.standard
		}
	}
	if c.NewID == nil {
		c.NewID = randomID
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// randomID draws a number that is not 0.
func randomID() uint64 {
	for {
		var b [8]byte
		rand.Read(b[:]) // never fails, see its documentation
		if id := binary.LittleEndian.Uint64(b[:]); id != 0 {
			return id
		}
	}
}
