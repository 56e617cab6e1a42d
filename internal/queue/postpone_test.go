package queue

import (
	"errors"
	"testing"
)

func TestPostpone(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		m := New(Config{FIFO: fifo, MaxReceives: 2, MaxInFlight: 1})
		m.Insert(0, Message{Key: 1, Sent: 0, Group: "g"})
		m.Insert(0, Message{Key: 2, Sent: 0, Group: "h"})
		got, _, err := m.Receive(10, ReceiveArgs{Max: 1, HideUntil: 100})
		if err != nil || len(got) != 1 || got[0].Key != 1 {
			t.Fatalf("received %v, %v", got, err)
		}
		if err := m.Postpone(20, 1, 2, 500); !errors.Is(err, ErrStale) {
			t.Errorf("a receive that never was: %v", err)
		}
		if err := m.Postpone(20, 3, 1, 500); !errors.Is(err, ErrNotFound) {
			t.Errorf("a message that never was: %v", err)
		}
		if err := m.Postpone(20, 1, 1, 500); err != nil {
			t.Fatal(err)
		}
		if c := m.Counts(); c.InFlight != 0 || c.Delayed != 1 {
			t.Errorf("counts %+v", c)
		}
		// There is room in flight again for the other one.
		got, _, err = m.Receive(30, ReceiveArgs{Max: 1, HideUntil: 40})
		if err != nil || len(got) != 1 || got[0].Key != 2 {
			t.Fatalf("received %v, %v", got, err)
		}
		m.Remove(2)
		if err := m.Postpone(30, 1, 1, 600); !errors.Is(err, ErrNotInFlight) {
			t.Errorf("postponed twice: %v", err)
		}
		m.Advance(500)
		got, _, _ = m.Receive(500, ReceiveArgs{Max: 1, HideUntil: 600})
		if len(got) != 1 || got[0].Receives != 2 {
			t.Fatalf("received %v", got)
		}
		// The last attempt has failed: it does not wait.
		if err := m.Postpone(510, 1, 2, 9000); err != nil {
			t.Fatal(err)
		}
		if c := m.Advance(510); len(c.Dead) != 1 {
			t.Errorf("dead: %v", c.Dead)
		}
	}
}
