package jettest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// Subject is a cluster under test.
type Subject struct {
	// A and B are two nodes' ways to one cluster, in which nothing is stored.
	A, B jet.Cluster
	// Interrupt breaks connections and watches for a moment; what is stored
	// stays.
	Interrupt func()
	// Fill leaves no room in the store, and Free gives it back; nil where that
	// can't be done.
	Fill, Free func()
}

// patience bounds waits for what has to happen.
const patience = 20 * time.Second

// Run runs every test of the suite against clusters that make makes.
func Run(t *testing.T, make func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Subject)
	}{
		{"AppendComparesAndSets", appendComparesAndSets},
		{"AppendsInOrder", appendsInOrder},
		{"AppendTooLarge", appendTooLarge},
		{"EmptyLog", emptyLog},
		{"Reads", reads},
		{"Purge", purge},
		{"LogsAreShared", logsAreShared},
		{"SubjectDrift", subjectDrift},
		{"FullDisk", fullDisk},
		{"Keys", keys},
		{"KeysCompareAndSet", keysCompareAndSet},
		{"BadKeys", badKeys},
		{"OneCreates", oneCreates},
		{"Watch", watchFromTheStart},
		{"WatchPattern", watchPattern},
		{"WatchAfterInterruption", watchAfterInterruption},
		{"WatchEnds", watchEnds},
		{"Requests", requests},
		{"NobodyServes", nobodyServes},
		{"NoAnswer", noAnswer},
		{"Published", published},
		{"Wildcards", wildcards},
		{"MaxPayload", maxPayload},
		{"Space", space},
		{"Cancelled", cancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, make(t))
		})
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func ok[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func openLog(t *testing.T, c jet.Cluster) jet.Log {
	t.Helper()
	return ok(c.Log(within(t), jet.StreamSpec{Name: "log", Subject: "the.log"}))(t)
}

func openBucket(t *testing.T, c jet.Cluster) jet.Bucket {
	t.Helper()
	return ok(c.Bucket(within(t), jet.KVSpec{Bucket: "bucket"}))(t)
}

// answer is what an append ended with.
type answer struct {
	seq uint64
	err error
}

// add appends without waiting.
func add(t *testing.T, l jet.Log, data, id string, expect uint64) <-chan answer {
	ch := make(chan answer, 1)
	var calls atomic.Int32
	l.Append([]byte(data), id, expect, func(seq uint64, err error) {
		if calls.Add(1) > 1 {
			t.Error("done was called twice")
			return
		}
		ch <- answer{seq, err}
	})
	return ch
}

func await(t *testing.T, ch <-chan answer) answer {
	t.Helper()
	select {
	case a := <-ch:
		return a
	case <-time.After(patience):
		t.Fatal("the append never ended")
		return answer{}
	}
}

// fill appends so many entries, whose data are their numbers.
func fill(t *testing.T, l jet.Log, n int) {
	t.Helper()
	last := ok(l.Last(within(t)))(t)
	for i := range n {
		seq := last + uint64(i) + 1
		if a := await(t, add(t, l, fmt.Sprint(seq), fmt.Sprint("id", seq), seq-1)); a.err != nil || a.seq != seq {
			t.Fatalf("append %d: %+v", seq, a)
		}
	}
}
