package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/waystation/waystation/examples/orders"
)

const (
	terminalPeriod = 100 * time.Millisecond // between updates of the status line
	linePeriod     = time.Second            // between status lines elsewhere
)

// screen prints lines, and on a terminal a status line below them that is
// rewritten in place.
type screen struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	status   bool // a status line stands at the cursor
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w}
	if f, ok := w.(*os.File); ok {
		st, err := f.Stat()
		s.terminal = err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	return s
}

const eraseLine = "\r\x1b[K"

// line prints a line that stays.
func (s *screen) line(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprintf(s.w, format+"\n", args...)
}

// update shows the present status.
func (s *screen) update(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.terminal {
		fmt.Fprintln(s.w, text)
		return
	}
	fmt.Fprint(s.w, eraseLine, text)
	s.status = true
}

// clear takes the status line away.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
}

func (s *screen) erase() {
	if s.status {
		fmt.Fprint(s.w, eraseLine)
		s.status = false
	}
}

// show keeps the status up to date until ctx ends.
func (r *run) show(ctx context.Context) {
	period := linePeriod
	if r.out.terminal {
		period = terminalPeriod
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.out.update(r.status())
		case <-ctx.Done():
			return
		}
	}
}

// status is short enough for a terminal of 80 columns.
func (r *run) status() string {
	_, fulfilled, refused := r.shop.Book.Count()
	t := r.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	stock, pay := t.steps[orders.SetAsideStock], t.steps[orders.AuthorizePayment]
	return fmt.Sprintf("%4.1f s  in %d  stock %d  paid %d  failed tries %d  fulfilled %d  refused %d",
		time.Since(r.began).Seconds(), t.sent, stock.handled, pay.handled, stock.failed+pay.failed, fulfilled, refused)
}
