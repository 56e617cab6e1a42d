package cluster

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/test/harness"
)

// A second process under a node's name is refused, and does not disturb the
// first; once that was killed, its name and its partitions are taken back at once.
func TestNameTaken(t *testing.T) {
	t.Parallel()
	nats := harness.StartNATS(t)
	options := harness.Options{NATS: nats.URL(), Node: "a", Args: []string{"--partitions", "2"}}
	first := harness.Start(t, options)
	c := harness.SQS(first.URL())
	url := queue(t, c, "name", nil)

	second, err := harness.Spawn(options)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Kill()
	if err := second.WaitReady(); err == nil || !strings.Contains(second.Output(), `another process uses this node's name: give each its own by --node ("a")`) {
		t.Fatalf("a second process with the same name: %v\n%s", err, second.Output())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if !harness.Poll(ctx, 10*time.Millisecond, second.Gone) {
		t.Fatal("the second process goes on")
	}
	if first.Gone() {
		t.Fatalf("the first process ended:\n%s", first.Output())
	}
	for line := range strings.Lines(first.Output()) {
		// How many descriptors this machine gives says nothing about the name.
		if strings.Contains(line, "level=WARN") && !strings.Contains(line, "file descriptors") || strings.Contains(line, "another") {
			t.Errorf("the first process was disturbed: %s", line)
		}
	}
	if err := send(bound(t, 10*time.Second), c, url, "still here"); err != nil {
		t.Error(err)
	}

	first.Kill()
	if err := first.Again(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(first.Output(), "waiting for a sign of life") {
		t.Errorf("it waited for its former run, which was killed:\n%s", first.Output())
	}
	if err := roundTrip(bound(t, 10*time.Second), c, url, "again"); err != nil {
		t.Error(err)
	}
}
