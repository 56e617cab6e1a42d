package partition

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/registry"
)

// noCluster is for configurations of what does not run.
type noCluster struct{ jet.Cluster }

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	base := Config{Conn: noCluster{}, Registry: new(registry.Registry), Node: "one"}
	cfg := base
	if err := cfg.setDefaults(); err != nil {
		t.Fatal(err)
	}
	told := fmt.Sprint(cfg.Prefix, cfg.Count, cfg.MaxRequests, cfg.MaxRequestBytes, cfg.MaxWaiting, cfg.MaxInFlight,
		cfg.CacheBytes, cfg.Lease, cfg.RouteTimeout, cfg.MaxMessages)
	if want := fmt.Sprint("ws", 1, 20_000, 48<<20, 100_000, 120_000, 64<<20, 2500*time.Millisecond, 5*time.Second, 0); told != want {
		t.Errorf("defaults %s, want %s", told, want)
	}
	if cfg.Logger == nil || cfg.Observe("x").Appended != nil || cfg.Now().IsZero() || cfg.Elapsed() < 0 || cfg.MaxMemory <= 0 || cfg.NewID() == (MessageID{}) {
		t.Errorf("defaults %+v", cfg)
	}
	cfg.Journal(nil) // alters nothing

	own := base
	own.Prefix, own.Count, own.MaxMemory, own.MaxRequests = "own", 1024, 7, 8
	id := func() MessageID { return MessageID{1} }
	own.NewID = id
	now := time.Unix(1, 0)
	own.Now = func() time.Time { return now }
	own.Elapsed = func() time.Duration { return 9 }
	if err := own.setDefaults(); err != nil {
		t.Fatal(err)
	}
	if own.Prefix != "own" || own.Count != 1024 || own.MaxMemory != 7 || own.MaxRequests != 8 || own.NewID() != id() || own.Now() != now || own.Elapsed() != 9 {
		t.Errorf("what was set became %+v", own)
	}

	for name, change := range map[string]func(*Config){
		"no cluster":   func(c *Config) { c.Conn = nil },
		"no registry":  func(c *Config) { c.Registry = nil },
		"no name":      func(c *Config) { c.Node = "" },
		"a wildcard":   func(c *Config) { c.Node = "a.b" },
		"a space":      func(c *Config) { c.Node = "a b" },
		"too many":     func(c *Config) { c.Count = 1025 },
		"another star": func(c *Config) { c.Node = "*" },
	} {
		cfg := base
		change(&cfg)
		if err := cfg.setDefaults(); err == nil {
			t.Errorf("%s: passes", name)
		}
		if s, err := New(cfg); err == nil || s != nil {
			t.Errorf("%s: a service was made, %v", name, err)
		}
	}
}

func TestReserve(t *testing.T) {
	t.Parallel()
	for total, want := range map[uint64]uint64{
		0: 32 << 20, 640 << 20: 32 << 20, 1000 << 20: 50 << 20, 20 << 30: 1 << 30, 100 << 30: 1 << 30,
	} {
		if got := new(Config).reserve(total); got != want {
			t.Errorf("of %d bytes %d are kept, want %d", total, got, want)
		}
	}
	if got := (&Config{Reserve: 5}).reserve(1 << 40); got != 5 {
		t.Errorf("%d are kept, though 5 were asked for", got)
	}
}

// Messages have half of the memory, less the caches, and an eighth however large these are.
func TestMemoryFor(t *testing.T) {
	t.Parallel()
	all := memoryFor(0) // half of it
	if all <= 0 || all > machineMemory()/2 {
		t.Errorf("%d of %d bytes", all, machineMemory())
	}
	const cache = 10 << 20
	if got := memoryFor(cache); got != all-cache {
		t.Errorf("beside %d bytes of caches %d, alone %d", cache, got, all)
	}
	if got := memoryFor(math.MaxInt64 / 4); got < all/4-1 || got > all/4+1 {
		t.Errorf("beside caches beyond measure %d, alone %d", got, all)
	}
	total := memTotal()
	want := total
	for _, file := range []string{"memory.max", "memory/memory.limit_in_bytes"} {
		if n := readNumber(filepath.Join("/sys/fs/cgroup", file)); n > 0 {
			want = min(want, n)
		}
	}
	if got := machineMemory(); got != want || total < 1<<20 || total%1024 != 0 {
		t.Errorf("the process may use %d of %d bytes, want %d", got, total, want)
	}
}

func TestReadNumber(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, want := range map[string]int64{
		"123\n": 123, " 9 ": 9, "max\n": 0, "": 0, "99999999999999999999\n": 0, "1x": 0,
	} {
		file := filepath.Join(dir, "number")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := readNumber(file); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
	if got := readNumber(filepath.Join(dir, "none")); got != 0 {
		t.Errorf("a file that is not there is %d", got)
	}
}

func TestMessageIDsAreUUIDs(t *testing.T) {
	t.Parallel()
	for range 100 {
		id := NewID()
		if got, want := id.String(), uuid.UUID(id).String(); got != want || strings.Count(got, "-") != 4 {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}
