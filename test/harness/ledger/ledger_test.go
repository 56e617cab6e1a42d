package ledger

import (
	"strings"
	"testing"
	"time"
)

const far = time.Hour

// book has a standard queue with a dead-letter queue, and two FIFO queues, one
// with a dead-letter queue.
func book() *Ledger {
	return New(
		Queue{Name: "std", Visibility: far, MaxReceive: 3, DeadLetter: "dead"}, Queue{Name: "dead", Visibility: far},
		Queue{Name: "fifo", FIFO: true, Visibility: far},
		Queue{Name: "ffifo", FIFO: true, Visibility: far, MaxReceive: 2, DeadLetter: "fdead"}, Queue{Name: "fdead", FIFO: true, Visibility: far},
		Queue{Name: "short", Visibility: 0},
	)
}

type action func(l *Ledger)

func sent(queue, id string) action {
	return func(l *Ledger) {
		grp, _, _ := strings.Cut(id, "-")
		l.Send(queue, grp, id, "body of "+id, 0)
		l.Sent(id)
	}
}

func got(queue string, count int, ids ...string) action {
	return func(l *Ledger) {
		var batch []Delivery
		for _, id := range ids {
			batch = append(batch, Delivery{ID: id, Body: "body of " + id, ServerID: "server-" + id, Count: count})
		}
		l.Received(queue, time.Now(), batch)
	}
}

func gone(queue, id string, count int) action {
	return func(l *Ledger) { l.Deleting(id); l.Deleted(queue, id, count) }
}

func tried(id string) action { return func(l *Ledger) { l.Deleting(id) } }

func TestLedger(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		do   []action
		want string // in the only fault; "" for none
	}{
		"all well": {do: []action{sent("std", "a"), got("std", 1, "a"), got("std", 2, "a"), gone("std", "a", 2)}},
		"dead":     {do: []action{sent("std", "a"), got("std", 1, "a"), got("dead", 1, "a"), gone("dead", "a", 1)}},
		"never delivered": {do: []action{sent("std", "a")},
			want: "acknowledged and never delivered"},
		"delivered and gone": {do: []action{sent("std", "a"), got("std", 1, "a")},
			want: "is gone"},
		"delete without an answer": {do: []action{sent("std", "a"), got("std", 1, "a"), tried("a")}},
		"without an answer it may come again": {do: []action{sent("std", "a"), got("std", 1, "a"), tried("a"), got("std", 2, "a"),
			gone("std", "a", 2)}},
		"delete undone": {do: []action{sent("std", "a"), got("std", 1, "a"), gone("std", "a", 1), got("std", 2, "a")},
			want: "although its delete"},
		"delete undone by death": {do: []action{sent("std", "a"), got("std", 1, "a"), gone("std", "a", 1), got("dead", 1, "a")},
			want: "although its delete"},
		"stale handle": {do: []action{sent("short", "a"), got("short", 1, "a"), gone("short", "a", 1), got("short", 2, "a")}},
		"count went back": {do: []action{sent("std", "a"), got("std", 2, "a"), got("std", 1, "a"), tried("a")},
			want: "went back"},
		"count twice": {do: []action{sent("std", "a"), got("std", 1, "a"), got("std", 1, "a"), tried("a")},
			want: "delivered twice"},
		"over the limit": {do: []action{sent("std", "a"), got("std", 4, "a"), tried("a")},
			want: "limit"},
		"back from the dead": {do: []action{sent("std", "a"), got("dead", 1, "a"), got("std", 1, "a"), tried("a")},
			want: "came back"},
		"of nobody": {do: []action{got("std", 1, "a")},
			want: "nobody sent"},
		"wrong queue": {do: []action{sent("std", "a"), got("fifo", 1, "a"), tried("a")},
			want: "delivered message a of std"},
		"in order":          {do: []action{sent("fifo", "g-0"), sent("fifo", "g-1"), got("fifo", 1, "g-0", "g-1"), tried("g-0"), tried("g-1")}},
		"after the delete":  {do: []action{sent("fifo", "g-0"), sent("fifo", "g-1"), got("fifo", 1, "g-0"), gone("fifo", "g-0", 1), got("fifo", 1, "g-1"), tried("g-1")}},
		"groups are apart":  {do: []action{sent("fifo", "g-0"), sent("fifo", "h-0"), got("fifo", 1, "h-0"), got("fifo", 1, "g-0"), tried("g-0"), tried("h-0")}},
		"out of order":      {do: []action{sent("fifo", "g-0"), sent("fifo", "g-1"), got("fifo", 1, "g-1"), tried("g-1"), got("fifo", 1, "g-0"), tried("g-0")}, want: "before number 0"},
		"group not locked":  {do: []action{sent("fifo", "g-0"), sent("fifo", "g-1"), got("fifo", 1, "g-0"), got("fifo", 1, "g-1"), tried("g-0"), tried("g-1")}, want: "before number 0"},
		"past a dead one":   {do: []action{sent("ffifo", "g-0"), sent("ffifo", "g-1"), got("ffifo", 2, "g-0"), got("ffifo", 1, "g-1"), got("fdead", 1, "g-0"), tried("g-0"), tried("g-1")}},
		"past a living one": {do: []action{sent("ffifo", "g-0"), sent("ffifo", "g-1"), got("ffifo", 1, "g-0"), got("ffifo", 1, "g-1"), tried("g-0"), tried("g-1")}, want: "which is not dead"},
		"early": {do: []action{func(l *Ledger) { l.Send("std", "", "a", "body of a", time.Minute); l.Sent("a") }, got("std", 1, "a"), tried("a")},
			want: "before its delay"},
		"changed body": {do: []action{func(l *Ledger) { l.Send("std", "", "a", "other", 0); l.Sent("a") }, got("std", 1, "a"), tried("a")},
			want: "another body"},
		"stored twice": {do: []action{sent("std", "a"), got("std", 1, "a"), func(l *Ledger) {
			l.Received("std", time.Now(), []Delivery{{ID: "a", Body: "body of a", ServerID: "another", Count: 2}})
		}, tried("a")}, want: "stored twice"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			l := book()
			for _, do := range test.do {
				do(l)
			}
			faults := l.Finish()
			if test.want == "" && len(faults) > 0 {
				t.Errorf("faults = %q, want none", faults)
			}
			if test.want != "" && (len(faults) == 0 || !strings.Contains(strings.Join(faults, "\n"), test.want)) {
				t.Errorf("faults = %q, want one with %q", faults, test.want)
			}
		})
	}
}

// Reversed order inside one answer is a fault too.
func TestOrderInOneAnswer(t *testing.T) {
	t.Parallel()
	l := book()
	for _, do := range []action{sent("fifo", "g-0"), sent("fifo", "g-1"), got("fifo", 1, "g-1", "g-0")} {
		do(l)
	}
	if len(l.Faults()) == 0 {
		t.Error("no fault")
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	l := book()
	sent("std", "a")(l)
	n, lower := l.Open("std")
	if n != 1 {
		t.Fatalf("open = %d, want 1", n)
	}
	tried("a")(l)
	<-lower
	if n, _ := l.Open("std"); n != 0 {
		t.Fatalf("open = %d, want 0", n)
	}
}
