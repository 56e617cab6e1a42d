package cluster

import (
	"context"
	"testing"
	"time"

	"github.com/waystation/waystation/test/harness"
)

// A node that starts before its NATS cluster can elect a leader waits for it.
func TestStartBeforeTheLeader(t *testing.T) {
	t.Parallel()
	servers := harness.StartNATSCluster(t, 3)
	for _, s := range servers[1:] {
		s.Kill()
	}
	node, err := harness.Spawn(harness.Options{NATS: servers[0].URL(), Node: "early", Args: []string{"--replicas", "3"}})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Kill()
	// Longer than one request to the log may take.
	pause(context.Background(), 7*time.Second)
	if node.Gone() {
		t.Fatalf("the node did not wait for a leader:\n%s", node.Output())
	}
	for _, s := range servers[1:] {
		if err := s.Again(); err != nil {
			t.Fatal(err)
		}
	}
	if err := node.WaitReady(); err != nil {
		t.Fatal(err)
	}
	if err := send(bound(t, 20*time.Second), harness.SQS(node.URL()), queue(t, harness.SQS(node.URL()), "early", nil), "x"); err != nil {
		t.Error(err)
	}
}
