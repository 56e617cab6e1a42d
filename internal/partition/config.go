package partition

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/registry"
)

// Config of a Service. Zero values take the defaults named.
type Config struct {
	Conn     jet.Cluster
	Registry *registry.Registry
	// Prefix of the names of streams, buckets and subjects; default "ws".
	Prefix string
	// Node is this node's name, unique among the nodes of one cluster and kept
	// over restarts where it can be: a node that comes back under its name
	// takes its partitions back at once.
	Node string
	// Count is the least number of partitions; a cluster that has more keeps
	// them. Default 1, at most 1024.
	Count uint32
	// Observer: this node serves no partition itself, other nodes do.
	Observer bool
	// MaxRequests that wait for the log, and their bytes, for each partition;
	// above them ErrBusy. Defaults 20,000 and 48 MiB.
	MaxRequests, MaxRequestBytes int64
	// MaxWaiting long polls for each partition; above ErrBusy. Default 100,000.
	MaxWaiting int64
	// MaxInFlight messages of one queue; default 120,000.
	MaxInFlight int
	// CacheBytes of payloads kept in memory for each partition; default 64 MiB.
	CacheBytes int
	// Reserve is the free space below which sends are refused, so that
	// receives can go on; default 5 % of the whole, at least 32 MiB and at most
	// 1 GiB. Below half of it receives are refused, too, so that what makes room
	// always goes on: deletes, purges, trimming, rewriting.
	Reserve uint64
	// MaxMemory is what messages may take in memory, in bytes, and MaxMessages
	// how many there may be, on this node; above them ErrMemory. Default: half of
	// what the process may use (GOMEMLIMIT, the limit of its cgroup, or the
	// machine's memory), less the caches; messages: no bound.
	MaxMemory, MaxMessages int64
	// Kinds of the queues that services use, see owner.Kind.
	Kinds map[Kind]KindTerms
	// Renderers make messages of the payloads that services post into the queues
	// of the registry, by their form: their first byte, FirstForm or more.
	Renderers map[byte]Renderer
	// Lease is how long a node may be silent until its partitions are taken
	// over; default 2.5 s.
	Lease time.Duration
	// RouteTimeout is how long a request waits for its partition to have an
	// owner; default 5 s.
	RouteTimeout time.Duration

	Logger *slog.Logger
	// Observe gives the hooks for the journal of that name; may be nil.
	Observe func(journal string) journal.Observer
	// Journal alters the configuration of each journal before it is made; nil
	// leaves it as it is. For tests that force trimming and rewriting.
	Journal func(*journal.Config)
	// Now is the wall clock: it is read when a partition is loaded, after which
	// Elapsed counts. Default time.Now.
	Now func() time.Time
	// Elapsed is a monotonic clock; default is the time since New.
	Elapsed func() time.Duration
	NewID   func() MessageID
}

func (c *Config) setDefaults() error {
	if c.Conn == nil || c.Registry == nil {
		return errors.New("partition: Conn and Registry are needed")
	}
	if c.Node == "" || strings.ContainsAny(c.Node, ". *>\t\r\n") {
		return fmt.Errorf("partition: node name %q: need one without dots, spaces and wildcards", c.Node)
	}
	if c.Count > 1024 {
		return fmt.Errorf("partition: %d partitions, at most 1024 are possible", c.Count)
	}
	setDefault(&c.Prefix, "ws")
	setDefault(&c.Count, 1)
	setDefault(&c.MaxRequests, 20_000)
	setDefault(&c.MaxRequestBytes, 48<<20)
	setDefault(&c.MaxWaiting, 100_000)
	setDefault(&c.MaxInFlight, 120_000)
	setDefault(&c.CacheBytes, 64<<20)
	setDefault(&c.Lease, 2500*time.Millisecond)
	setDefault(&c.RouteTimeout, 5*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(string) journal.Observer { return journal.Observer{} }
	}
	if c.Journal == nil {
		c.Journal = func(*journal.Config) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Elapsed == nil {
		base := time.Now()
		c.Elapsed = func() time.Duration { return time.Since(base) }
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = memoryFor(int64(c.CacheBytes) * int64(c.Count))
	}
	if c.NewID == nil {
		c.NewID = NewID
	}
	return nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// NewID makes a random message id (UUID version 4).
func NewID() MessageID { return MessageID(uuid.New()) }

func newRun() string { return rand.Text()[:12] }

// reserve is the free space below which sends are refused.
func (c *Config) reserve(total uint64) uint64 {
	if c.Reserve != 0 {
		return c.Reserve
	}
	return min(max(total/20, 32<<20), 1<<30)
}

// stream opens the stream of a partition's journal.
func (c *Config) stream(ctx context.Context, id uint32) (jet.Log, error) {
	return c.Conn.Log(ctx, jet.StreamSpec{
		Name:        fmt.Sprintf("%s_journal_%d", c.Prefix, id),
		Subject:     fmt.Sprintf("%s.journal.%d", c.Prefix, id),
		Description: "Waystation journal of one partition",
	})
}
