package owner

// Admitted is the account of the requests that wait for the log.
func (o *Owner) Admitted() (requests, bytes int64) { return o.admitted.Load(), o.admittedBytes.Load() }

// Down is closed when the owner is.
func (o *Owner) Down() <-chan struct{} { return o.down }

// Waiting is how many long polls there are.
func (o *Owner) Waiting() int64 { return o.waiting.Load() }

// Follow brings the queues that a replay touched up to now, as Run does.
func (o *Owner) Follow() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := o.follow()
	return err
}

// ClockStep is what the clock does before it lets others in; more: queues are still due.
func (o *Owner) ClockStep() (more bool) {
	wait, _, ok := o.clockStep()
	return ok && wait == 0
}

// Said is what follows from what was set last: the garbage to be worked off, and the
// errors of posts and receives.
func (s *Space) Said() (garbage int64, posts, receives error) {
	return s.garbage(), s.forPosts(), s.forReceives()
}

// Attempts is how many receive attempts have requests under way.
func (o *Owner) Attempts() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.attempts)
}
