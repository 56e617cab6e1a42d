package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// startApp starts a server in this process.
func startApp(t *testing.T, c Config) *App {
	t.Helper()
	a, err := New(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestRepair damages the files of the definitions in several ways: the server
// refuses to start and names the command; after it all queues that had messages are
// there with them, and what was deleted stays deleted.
func TestRepair(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	const queues = 12
	a := startApp(t, c)
	create := func(name string) *registry.Queue {
		q, _, err := a.registry.CreateQueue(t.Context(), registry.Queue{
			Meta:           registry.Meta{Account: "000000000000", Region: "us-east-1", Name: name},
			MaxMessageSize: 1 << 20, RetentionSeconds: 345_600, VisibilitySeconds: 30,
		}, func(*registry.Queue) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	send := func(q *registry.Queue) {
		if _, err := a.partitions.Send(t.Context(), q, []partition.Message{{ID: partition.NewID(), Body: "of " + q.Name}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range queues {
		send(create(fmt.Sprintf("queue-%02d", i)))
	}
	gone := create("gone")
	send(gone)
	if s := a.Status(); s.Defined != queues+1 || s.Partitions[0].Queues != queues+1 {
		t.Fatalf("status counts %d and %d queues", s.Defined, s.Partitions[0].Queues)
	}
	if err := a.registry.DeleteQueue(t.Context(), gone.Account, gone.Region, gone.Name); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := Repair(t.Context(), c, Options{}); !errors.Is(err, registry.ErrWhole) {
		t.Fatal(err)
	}

	folder := func(t *testing.T, data string) string {
		found, err := filepath.Glob(filepath.Join(data, "*", "jetstream", "*", "streams", "ws_registry"))
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		return found[0]
	}
	change := func(t *testing.T, data string, f func([]byte) []byte) {
		path := filepath.Join(folder(t, data), "msgs", "1.blk")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flip := func(share float64) func(*testing.T, string) {
		return func(t *testing.T, data string) {
			change(t, data, func(b []byte) []byte { b[int(share*float64(len(b)))] ^= 0x10; return b })
		}
	}
	for name, damage := range map[string]func(*testing.T, string){
		"flipped at a tenth": flip(0.1),
		"flipped in half":    flip(0.5),
		"flipped near the end": func(t *testing.T, data string) {
			change(t, data, func(b []byte) []byte { b[len(b)-30] ^= 0x10; return b })
		},
		"cut by 100": func(t *testing.T, data string) { change(t, data, func(b []byte) []byte { return b[:len(b)-100] }) },
		"empty":      func(t *testing.T, data string) { change(t, data, func([]byte) []byte { return nil }) },
		"gone":       func(t *testing.T, data string) { os.RemoveAll(folder(t, data)) },
		"registry and marks gone": func(t *testing.T, data string) {
			os.RemoveAll(filepath.Join(filepath.Dir(folder(t, data)), "KV_ws_marks"))
			os.RemoveAll(folder(t, data))
		},
	} {
		t.Run(name, func(t *testing.T) {
			copied := c
			copied.Data = filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(copied.Data, os.DirFS(c.Data)); err != nil {
				t.Fatal(err)
			}
			damage(t, copied.Data)
			if name != "registry and marks gone" { // then the partitions keep their messages, and say so
				err := Run(t.Context(), copied, Options{})
				if err == nil || !strings.Contains(err.Error(), "data folder") {
					t.Fatalf("it did not refuse: %v", err)
				}
			}
			done, err := Repair(t.Context(), copied, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if done.Definitions < queues || done.Aside == "" && name != "gone" {
				t.Fatalf("%+v", done)
			}
			if _, err := os.Stat(filepath.Join(copied.Data, asideName)); err == nil {
				t.Error("the repair left its folder as if it had been interrupted")
			}
			if _, err := Repair(t.Context(), copied, Options{}); !errors.Is(err, registry.ErrWhole) {
				t.Errorf("repaired, it is not whole: %v", err)
			}
			a := startApp(t, copied)
			defer a.Stop()
			for i := range queues {
				q, ok := a.registry.Queue("000000000000", "us-east-1", fmt.Sprintf("queue-%02d", i))
				if !ok {
					t.Fatalf("queue %d is missing", i)
				}
				got, err := a.partitions.Receive(t.Context(), q, partition.ReceiveOptions{Max: 1, Visibility: 60, Wait: 5 * time.Second})
				if err != nil || len(got) != 1 || got[0].Body != "of "+q.Name {
					t.Fatalf("queue %d: %v %v", i, got, err)
				}
			}
			q, ok := a.registry.Queue("000000000000", "us-east-1", "gone")
			if !ok {
				return
			}
			// Its deletion was the last entry. When that is what was damaged the queue
			// comes back, empty.
			if name != "flipped near the end" && name != "cut by 100" {
				t.Error("a deleted queue came back")
			}
			if n, err := a.partitions.Counts(t.Context(), q); err != nil || n.Visible != 0 {
				t.Error("it came back with messages", n, err)
			}
		})
	}
}
