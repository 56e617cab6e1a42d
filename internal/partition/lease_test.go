package partition

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// Another node is given up when it is silent while we hear ourselves, not when
// nothing can be heard at all.
func TestSilenceCountsOnlyWhileListening(t *testing.T) {
	const ttl = 1000 * time.Millisecond
	now := int64(time.Hour)
	l := newLeases("a", "run-a", ttl, func() int64 { return now }, slog.New(slog.DiscardHandler))
	l.loaded, l.count = true, 1
	rev := uint64(0)
	tell := func(key, value string) {
		rev++
		l.hear(jet.KVEntry{Key: key, Value: []byte(value), Revision: rev})
	}
	beat := func(node string) { tell("node."+node, fmt.Sprintf(`{"run":"run-%s","n":%d}`, node, rev)) }
	wait := func(d time.Duration) { now += int64(d) }
	claims := func() bool {
		t.Helper()
		claim, _, err := l.plan()
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(claim, 0)
	}
	tell("partition.0", `{"node":"b","run":"run-b"}`)
	for range 4 {
		beat("a")
		beat("b")
		wait(ttl / 4)
	}
	if claims() {
		t.Fatal("claims from a node that beats")
	}
	wait(time.Minute) // nobody is heard
	if claims() {
		t.Error("claims while nothing is heard")
	}
	beat("a") // the watch works again, and we are the first to be heard
	if claims() {
		t.Error("claims before the other had a chance to be heard")
	}
	wait(ttl / 4)
	beat("b")
	beat("a")
	if claims() {
		t.Error("claims from a node that beats again")
	}
	// Now b dies.
	steps := 0
	for !claims() {
		if steps++; steps > 8 {
			t.Fatal("does not claim from a node that is silent")
		}
		wait(ttl / 4)
		beat("a")
	}
	if steps < 4 {
		t.Errorf("claims after %d quarters of the lease", steps)
	}
}
