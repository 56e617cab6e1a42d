package partition

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/queue"
	"github.com/waystation/waystation/internal/registry"
)

var record = flag.String("record", "", "write testdata/upgrade/NAME.tar.gz, a data folder as this release leaves it")

// The data folders of releases, told apart by name, are opened again by every later
// one. All of them were left by a server that had gone through the same.
//
// Before a release: go test ./internal/partition -run TestUpgrade -record NAME

// upgradeStart is when a recorded server ran: messages would expire otherwise.
var upgradeStart = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const upgradeTimers = FirstService

func upgradeNode(t *testing.T, dir string, since time.Duration) *node {
	base := time.Now()
	return startNode(t, jet.Config{Dir: dir}, func(c *Config) {
		c.Count = 2
		c.Now = func() time.Time { return upgradeStart.Add(since + time.Since(base)) }
		c.Elapsed = func() time.Duration { return time.Since(base) }
		c.Kinds = map[Kind]KindTerms{upgradeTimers: {}}
	})
}

// upgradeReceipts is what a client of the recorded server still holds.
type upgradeReceipts struct{ InFlight, Deleted string }

func TestUpgrade(t *testing.T) {
	t.Parallel()
	if *record != "" {
		recordUpgrade(t, filepath.Join("testdata", "upgrade", *record+".tar.gz"))
	}
	files, err := filepath.Glob("testdata/upgrade/*.tar.gz")
	if err != nil || len(files) == 0 {
		t.Fatalf("no data folder was recorded: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".tar.gz"), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			unpack(t, file, dir)
			checkUpgrade(t, dir)
		})
	}
}

// recordUpgrade goes through what leaves every kind of fact and definition.
func recordUpgrade(t *testing.T, file string) {
	dir := t.TempDir()
	n := upgradeNode(t, filepath.Join(dir, "nats"), 0)
	dead := n.queue("dead", nil)
	orders := n.queue("orders", func(q *registry.Queue) {
		q.Redrive = &registry.Redrive{TargetARN: dead.ARN(), MaxReceives: 1}
		q.Tags = map[string]string{"team": "orders"}
	})
	steps := n.queue("steps.fifo", fifo)
	n.queue("never-used", nil)
	dropped := n.queue("dropped", nil)

	n.send(orders, message("goes to the dead"))
	n.receive(orders, ReceiveOptions{Max: 1, Visibility: 0})
	var held upgradeReceipts
	n.send(orders, message("deleted"))
	held.Deleted = n.receive(orders, ReceiveOptions{Max: 1, Visibility: 3600})[0].Receipt
	n.delete(orders, held.Deleted)
	n.send(orders, message("in flight"))
	held.InFlight = n.receive(orders, ReceiveOptions{Max: 1, Visibility: 3600})[0].Receipt
	attributed := message("waits")
	attributed.Attributes = []Attribute{{Name: "n", Type: "Number", Value: "7"}, {Name: "b", Type: "Binary", Binary: []byte{0, 1}}}
	attributed.TraceHeader = "Root=1-5759e988-bd862e3fe1be46a994272793"
	delayed := message("delayed")
	delayed.Delay = 900
	n.send(orders, attributed, delayed)
	n.send(dropped, message("dropped"))
	if err := n.reg.DeleteQueue(t.Context(), dropped.Account, dropped.Region, dropped.Name); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"1", "2", "3"} {
		n.send(steps, fifoMessage("g", "d"+body, body))
	}
	n.delete(steps, n.receive(steps, ReceiveOptions{Max: 1, Visibility: 60})[0].Receipt)
	wake := upgradeStart.Add(365 * 24 * time.Hour).UnixMilli()
	once := DedupOf("once")
	for p := range uint32(2) {
		_, err := n.svc.Post(t.Context(), 0, []PostItem{{Payload: []byte("wake"), Targets: []PostTarget{{
			Target: Target{Partition: p, Queue: Ref{Kind: upgradeTimers, ID: 1}}, VisibleAt: queue.Time(wake),
			Name: NameOf("year"), Reference: "calendar", DedupUntil: queue.Time(wake), Dedup: &once,
		}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	timer := Target{Partition: 1, Queue: Ref{Kind: upgradeTimers, ID: 1}}
	eventually(t, "the timer is on the other partition", func() bool { c, err := n.svc.CountOf(t.Context(), timer); return err == nil && c.Delayed == 1 })
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	notes, err := json.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "receipts.json"), notes, 0o600); err != nil {
		t.Fatal(err)
	}
	pack(t, dir, file)
}

// checkUpgrade finds all that recordUpgrade left, a minute later.
func checkUpgrade(t *testing.T, dir string) {
	var held upgradeReceipts
	notes, err := os.ReadFile(filepath.Join(dir, "receipts.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(notes, &held); err != nil {
		t.Fatal(err)
	}
	n := upgradeNode(t, filepath.Join(dir, "nats"), time.Minute)
	find := func(name string) *registry.Queue {
		t.Helper()
		q, err := n.reg.FindQueue(t.Context(), "000000000000", "us-east-1", name)
		if err != nil {
			t.Fatalf("queue %s: %v", name, err)
		}
		return q
	}
	orders, dead, steps := find("orders"), find("dead"), find("steps.fifo")
	find("never-used")
	if _, err := n.reg.FindQueue(t.Context(), "000000000000", "us-east-1", "dropped"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the deleted queue: %v", err)
	}
	if orders.Tags["team"] != "orders" || orders.Redrive == nil || orders.Redrive.TargetARN != dead.ARN() || !steps.FIFO {
		t.Errorf("definitions: %+v, %+v", orders, steps)
	}
	n.wantCounts(orders, 1, 1, 1)
	got := n.receive(orders, ReceiveOptions{Max: 10, Visibility: 60})
	if len(got) != 1 || got[0].Body != "waits" || len(got[0].Attributes) != 2 || got[0].Attributes[0].Value != "7" ||
		!slices.Equal(got[0].Attributes[1].Binary, []byte{0, 1}) || got[0].TraceHeader == "" || got[0].Receives != 1 {
		t.Errorf("what waited: %+v", got)
	}
	n.delete(orders, held.InFlight) // its receipt is still good
	n.delete(orders, held.Deleted)  // and this one does no harm
	n.wantCounts(orders, 0, 1, 1)
	letters := n.receive(dead, ReceiveOptions{Max: 10, Visibility: 60})
	if len(letters) != 1 || letters[0].Body != "goes to the dead" || letters[0].DeadLetterSource != orders.ARN() {
		t.Errorf("dead letters: %+v", letters)
	}
	// What was sent within five minutes is a duplicate still.
	n.send(steps, fifoMessage("g", "d2", "2"))
	var bodies []string
	for _, m := range n.receive(steps, ReceiveOptions{Max: 10, Visibility: 60}) {
		bodies = append(bodies, m.Body)
	}
	if !slices.Equal(bodies, []string{"2", "3"}) {
		t.Errorf("the group has %q", bodies)
	}
	for p := range uint32(2) {
		timer := Target{Partition: p, Queue: Ref{Kind: upgradeTimers, ID: 1}}
		if found, err := n.svc.Cancel(t.Context(), timer, NameOf("year")); err != nil || !found {
			t.Errorf("the timer on partition %d: %v, %v", p, found, err)
		}
	}
}

// pack writes a folder as a compressed archive.
func pack(t *testing.T, dir, file string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	err = errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), z.Close(), f.Close())
	if err != nil {
		t.Fatal(err)
	}
}

// unpack is the inverse of pack.
func unpack(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil || !fs.ValidPath(strings.TrimSuffix(h.Name, "/")) {
			t.Fatalf("%s: %v", h.Name, err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o600))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
