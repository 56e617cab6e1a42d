package delivery

import (
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition"
)

func TestCircuit(t *testing.T) {
	t.Parallel()
	cfg := Config{OpenAfter: 3, ProbeMin: time.Second, ProbeMax: 5 * time.Second, Chance: func() float64 { return 0.5 }}
	now := time.UnixMilli(1_000_000)
	c := &circuit{limit: firstLimit}
	pace := func(want partition.Pace, drain bool) {
		t.Helper()
		if p, _ := c.pace(20, drain); p != want {
			t.Errorf("%+v, want %+v", p, want)
		}
	}
	at := func(d time.Duration) partition.Pace {
		return partition.Pace{MaxInFlight: 1, NotBefore: partition.Milliseconds(now.Add(d))}
	}
	open := partition.Pace{MaxInFlight: firstLimit, Interval: 50 * time.Millisecond, Burst: 2}
	pace(open, false)
	if _, differs := c.pace(20, false); differs {
		t.Error("the same pace again differs")
	}
	c.forgetPace()
	if _, differs := c.pace(20, false); !differs {
		t.Error("a pace that is not known to be in force does not differ")
	}

	// Each success lets more through, up to what the endpoint may have.
	c.delivered(time.Millisecond, 10)
	open.MaxInFlight = 8
	pace(open, false)
	c.delivered(time.Millisecond, 10)
	open.MaxInFlight = 10
	pace(open, false)

	// Failures halve it, and open the circuit in the end.
	c.failure(&cfg, time.Millisecond, 0, true, 10, now)
	open.MaxInFlight = 5
	pace(open, false)
	if how, _ := c.admit(now); how != attemptIt {
		t.Error("a closed circuit holds a message")
	}
	c.failure(&cfg, time.Millisecond, 0, true, 10, now)
	if opened := c.failure(&cfg, time.Millisecond, 0, true, 10, now); !opened || !c.isOpen() {
		t.Error("it did not open")
	}
	pace(at(time.Second), false)
	pace(partition.Pace{MaxInFlight: 10}, true) // what waits is looked at

	// One probe at a time, and not before its time.
	if how, until := c.admit(now); how != holdIt || !until.Equal(now.Add(time.Second)) {
		t.Errorf("%v until %v", how, until)
	}
	now = now.Add(time.Second)
	if how, _ := c.admit(now); how != probeIt {
		t.Error("no probe")
	}
	if how, _ := c.admit(now); how != holdIt {
		t.Error("a second probe")
	}
	for _, wait := range []time.Duration{2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		c.failure(&cfg, time.Millisecond, 0, true, 10, now)
		pace(at(wait), false)
	}
	now = now.Add(5 * time.Second)
	if how, _ := c.admit(now); how != probeIt {
		t.Error("no probe")
	}
	if was := c.delivered(time.Millisecond, 10); !was || c.isOpen() {
		t.Error("it did not close")
	}
	open.MaxInFlight = 2
	pace(open, false)
}

// A pace is asked for again after a while: another node may have asked for another one,
// such as one at a time when nothing got through from there, and have died.
func TestPaceIsAskedForAgain(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_000_000)
	c := &circuit{limit: firstLimit}
	for i, want := range []bool{true, false, false, true, false} {
		c.admit(now)
		if _, differs := c.pace(20, false); differs != want {
			t.Errorf("%d: differs: %v, want %v", i, differs, want)
		}
		if i > 0 {
			now = now.Add(paceLasts / 2)
		}
	}
}

func TestRefusalsDoNotOpen(t *testing.T) {
	t.Parallel()
	cfg := Config{OpenAfter: 3, ProbeMin: time.Second, ProbeMax: 5 * time.Second, Chance: func() float64 { return 0.5 }}
	now := time.UnixMilli(1_000_000)
	c := &circuit{limit: firstLimit}
	for range 10 {
		if c.failure(&cfg, time.Millisecond, 0, false, 10, now) || c.isOpen() {
			t.Fatal("messages that are refused open the circuit")
		}
	}
	// An endpoint that asks to be left alone is.
	c.failure(&cfg, time.Millisecond, time.Minute, true, 10, now)
	if p, _ := c.pace(0, false); p.NotBefore != partition.Milliseconds(now.Add(time.Minute)) {
		t.Errorf("%+v", p)
	}
}

// What takes long gets fewer messages at a time, so that it keeps no more workers.
func TestSlowEndpoints(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]int{100 * time.Millisecond: 12, time.Second: 12, 2500 * time.Millisecond: 4, 14 * time.Second: 2} {
		c := &circuit{limit: firstLimit}
		for range 20 {
			c.delivered(took, 12)
		}
		if p, _ := c.pace(0, false); p.MaxInFlight != want {
			t.Errorf("%v: %d at a time, want %d", took, p.MaxInFlight, want)
		}
	}
}

func TestCircuitsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(0)
	var all circuits
	all.byID = make(map[uint64]*circuit)
	fresh := func() *circuit { return &circuit{} }
	for id := range uint64(maxCircuits) {
		all.of(id, now, fresh)
	}
	if c := all.of(maxCircuits, now, fresh); c == nil || len(all.byID) != maxCircuits {
		t.Errorf("%d circuits", len(all.byID))
	}
	all.of(maxCircuits, now.Add(time.Hour), fresh)
	if len(all.byID) >= maxCircuits || all.peek(maxCircuits) == nil {
		t.Errorf("%d circuits after an hour", len(all.byID))
	}
}
