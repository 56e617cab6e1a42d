package fanout

import (
	"strings"
	"testing"
	"time"
)

// TestJudge: what a queue has is held against what was answered.
func TestJudge(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	sent := func(id string, number, began, answered int) *message {
		m := &message{id: id, source: fifo, group: id[:1], number: number, began: at(began)}
		if answered > 0 {
			m.answered = at(answered)
		}
		return m
	}
	list := []*message{sent("g1", 1, 10, 11), sent("g2", 2, 12, 13), sent("h1", 1, 14, 15), sent("h2", 2, 16, 0)}
	for name, c := range map[string]struct {
		queue queue
		has   string
		want  string // "": nothing is wrong
	}{
		"all":                {queue{}, "g1 h1 g2", ""},
		"without an answer":  {queue{}, "g1 g2 h1 h2", ""},
		"lost":               {queue{}, "g1 g2", "lacks 1"},
		"twice":              {queue{}, "g1 g2 h1 g1", "twice"},
		"out of order":       {queue{}, "g2 g1 h1", "g1 behind g2"},
		"nobody's":           {queue{}, "g1 g2 h1 x1", "nobody sent"},
		"before it came":     {queue{since: at(13)}, "h1", ""},
		"since it came":      {queue{since: at(13)}, "", "lacks 1"},
		"after it left":      {queue{leaving: at(12), left: at(13)}, "g1 h1", "taken away"},
		"until it left":      {queue{leaving: at(12), left: at(13)}, "", "lacks 1"},
		"while it left":      {queue{leaving: at(12), left: at(15)}, "g1", ""},
		"while it left, too": {queue{leaving: at(12), left: at(15)}, "g1 g2 h1", ""},
	} {
		f := &Fanout{sent: make(map[string]*message)}
		for _, m := range list {
			f.sent[m.id] = m
		}
		c.queue.source, c.queue.fifo = fifo, true
		f.judge(&c.queue, strings.Fields(c.has))
		if got := strings.Join(f.faults, "; "); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
