package demo

import (
	"fmt"
	"time"

	"github.com/waystation/waystation/examples/orders"
)

// summary prints the table of the steps and the balance.
func (r *run) summary(b orders.Balance) {
	t := r.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	p := r.out.line
	later := r.steps()
	p("From send to handled; p50 and p99 of messages that went well at once, slowest of all (retries, operator).")
	p("")
	p("All orders were submitted after %s and through after %s.", short(r.submitted), short(r.ended))
	p("%d messages went through after failed tries; the payment provider was asked again %d times and charged nothing.",
		later, r.shop.Payments.Repeats())
	p("")
	for _, s := range r.shop.News.Senders() {
		told, again := s.Told()
		owed, missing := r.shop.News.Owed(s)
		p("%-15s told %d customers; of %d payments announced since it subscribed %s missing, %d came again",
			s.Name, told, owed, none(missing), again)
	}
	p("")
	p("%s", balanceLine(b))
}

// untold is how many payments some sender has not heard of, though it should have.
func (r *run) untold() (total int) {
	for _, s := range r.shop.News.Senders() {
		_, missing := r.shop.News.Owed(s)
		total += missing
	}
	return total
}

// interrupted prints what there was until the demo was broken off: nothing is said
// about a balance, since orders are still under way.
func (r *run) interrupted(orders int) {
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	open, _, _ := r.shop.Book.Count()
	r.steps()
	r.out.line("Broken off after %s: of %d orders, %d are still under way.", short(time.Since(r.began)), orders, open)
}

// steps prints the table of the steps and returns how many messages went through
// after failed tries. The tally is locked.
func (r *run) steps() int {
	t, p := r.tally, r.out.line
	p("")
	p("%-18s %8s %11s %7s %9s %10s %10s %10s", "step", "handled", "deliveries", "failed", "redriven", "p50", "p99", "slowest")
	later := 0
	for _, step := range orders.Steps {
		s := t.steps[step]
		later += s.later
		p("%-18s %8d %11d %7d %9d %10s %10s %10s", step, s.handled, s.deliveries, s.failed, s.dead,
			short(percentile(s.first, 0.50)), short(percentile(s.first, 0.99)), short(percentile(s.all, 1)))
	}
	return later
}

// balanceLine says in one line whether the balance is right.
func balanceLine(b orders.Balance) string {
	sign := "="
	if b.Submitted != b.Fulfilled+b.Refused {
		sign = "≠"
	}
	line := fmt.Sprintf("submitted %d %s fulfilled %d + refused %d, %s lost, %s charged twice",
		b.Submitted, sign, b.Fulfilled, b.Refused, none(b.Lost), none(b.ChargedTwice))
	if b.Unpaid > 0 {
		line += fmt.Sprintf(", %d fulfilled without payment", b.Unpaid)
	}
	if b.ChargedInVain > 0 {
		line += fmt.Sprintf(", %d charged in vain", b.ChargedInVain)
	}
	return line
}

func none(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

// short rounds to what a reader can use: 1.23 s, 45 ms, 0.8 ms.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	default:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
}
