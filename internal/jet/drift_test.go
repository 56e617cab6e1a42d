package jet

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestDrift has an operator change one setting after another: each is named,
// and nothing is altered.
func TestDrift(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	for i, tt := range []struct {
		field  string
		change func(*jetstream.StreamConfig)
	}{
		{"storage", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }},
		{"retention", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }},
		{"subjects", func(c *jetstream.StreamConfig) { c.Subjects = []string{"other", c.Name} }},
		{"discard", func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }},
		{"max_age", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		{"max_bytes", func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 }},
		{"max_msgs", func(c *jetstream.StreamConfig) { c.MaxMsgs = 5 }},
		{"max_msgs_per_subject (history)", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 }},
		{"max_msg_size", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1000 }},
		{"allow_direct", func(c *jetstream.StreamConfig) { c.AllowDirect = false }},
		{"deny_delete", func(c *jetstream.StreamConfig) { c.DenyDelete = false }},
		{"deny_purge", func(c *jetstream.StreamConfig) { c.DenyPurge = true }},
		{"allow_rollup", func(c *jetstream.StreamConfig) { c.AllowRollup = true }},
		{"allow_msg_ttl", func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true }},
		{"compression", func(c *jetstream.StreamConfig) { c.Compression = jetstream.S2Compression }},
		{"persist_mode", func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }},
		{"no_ack", func(c *jetstream.StreamConfig) { c.NoAck = true }},
	} {
		t.Run(tt.field, func(t *testing.T) {
			spec := StreamSpec{Name: fmt.Sprint("s", i), Subject: fmt.Sprint("s", i)}
			cfg := streamConfig(spec, 1)
			tt.change(&cfg)
			var info jetstream.StreamInfo
			if err := c.api(t.Context(), c.writes, "STREAM.CREATE."+spec.Name, cfg, &info); err != nil {
				t.Fatal(err)
			}
			_, err := c.Stream(t.Context(), spec)
			var drift *DriftError
			if !errors.As(err, &drift) || len(drift.Drifts) != 1 || drift.Drifts[0].Field != tt.field {
				t.Fatal(err)
			}
			if !strings.Contains(err.Error(), tt.field) || !strings.Contains(err.Error(), "nats stream edit "+spec.Name) {
				t.Error(err)
			}
			var after jetstream.StreamInfo
			if err := c.api(t.Context(), c.writes, "STREAM.INFO."+spec.Name, nil, &after); err != nil {
				t.Fatal(err)
			}
			if driftOf(after.Config, info.Config) != nil {
				t.Error("the stream was altered")
			}
		})
	}
}

func TestDriftOfABucket(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	cfg := bucketConfig(KVSpec{Bucket: "b"}, 1)
	cfg.MaxMsgsPerSubject = 10
	var info jetstream.StreamInfo
	if err := c.api(t.Context(), c.writes, "STREAM.CREATE.KV_b", cfg, &info); err != nil {
		t.Fatal(err)
	}
	_, err := c.KV(t.Context(), KVSpec{Bucket: "b"})
	var drift *DriftError
	if !errors.As(err, &drift) || len(drift.Drifts) != 1 || drift.Drifts[0].Have != "10" || drift.Drifts[0].Want != "1" {
		t.Fatal(err)
	}
}

// TestOpenTwice finds nothing drifted in what it made itself.
func TestOpenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		c, err := Open(t.Context(), Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			stream(t, c)
			bucket(t, c)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
