package protocol

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// stream is the writer of an HTTP/2 stream that tells when its answer is waited for.
type stream struct {
	*httptest.ResponseRecorder
	budget   *budget
	flushed  int // how many requests were under way then; -1: it was not waited for
	deadline time.Time
}

func (s *stream) Flush() {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.flushed = 0
	for _, p := range s.budget.peers {
		s.flushed += p.requests
	}
}

func (s *stream) SetWriteDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func (s *stream) SetReadDeadline(time.Time) error { return nil }

// TestUntakenAnswers: on HTTP/2 a request is under way until its client took the answer,
// also one that is refused at once, which may not wait for long; and where there is no
// room for it, there is nothing in the answer to be taken.
func TestUntakenAnswers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.MaxRequests = 2 })
	ask := func(target string) *stream {
		s := &stream{ResponseRecorder: httptest.NewRecorder(), budget: f.budget, flushed: -1}
		r := jsonRequest(target, `{"QueueUrl":"q","MessageBody":"hello"}`)
		r.ProtoMajor, r.ProtoMinor = 2, 0
		f.ServeHTTP(s, r)
		return s
	}
	if s := ask("AmazonSQS.SendMessage"); s.Code != http.StatusOK || s.flushed != 1 || s.Body.Len() == 0 {
		t.Errorf("answered %d with %d under way", s.Code, s.flushed)
	}
	refused := func(s *stream, code int) {
		t.Helper()
		if left := time.Until(s.deadline); s.Code != code || left > refusalTimeout {
			t.Errorf("refused with %d, may wait for %v", s.Code, left)
		}
	}
	s := ask("AmazonSQS.None")
	if refused(s, http.StatusBadRequest); s.flushed != 1 || s.Body.Len() == 0 {
		t.Errorf("%d under way, %d bytes", s.flushed, s.Body.Len())
	}
	// As many are under way as may be.
	for _, addr := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"} {
		l := &lease{budget: f.budget, class: known, key: peerKey{key: addr}}
		l.enter()
		defer l.end()
	}
	for _, target := range []string{"AmazonSQS.SendMessage", "AmazonSQS.None"} {
		s := ask(target)
		if refused(s, http.StatusServiceUnavailable); s.flushed != 2 || s.Body.Len() > 0 {
			t.Errorf("%s: %d under way, %q", target, s.flushed, s.Body)
		}
	}
}
