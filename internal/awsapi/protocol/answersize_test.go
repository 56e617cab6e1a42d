package protocol

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// unread is a client that takes nothing of its answer until it is told to.
type unread struct {
	*httptest.ResponseRecorder
	began, read chan struct{}
}

func (u *unread) Write(b []byte) (int, error) {
	u.began <- struct{}{}
	<-u.read
	return u.ResponseRecorder.Write(b)
}

type textOutput struct{ Texts []string }

// TestUnreadAnswersArePaid: answers that nobody reads hold what the budget has for their
// caller, whatever becomes of their texts on the wire, and no more: the next is refused.
// All of it comes back.
func TestUnreadAnswersArePaid(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"plain": strings.Repeat("x", 5<<20), "escaped": strings.Repeat("&", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var undone atomic.Int32
			op := Op("Text", func(_ context.Context, c *Call, _ *Empty) (*textOutput, error) {
				c.Unanswered = func(ctx context.Context) {
					if ctx.Err() == nil {
						undone.Add(1)
					}
				}
				return &textOutput{Texts: []string{text}}, nil
			})
			f := newFixture(t, func(c *Config) {
				c.BodyMemory = 24 << 20
				c.APIs[0].Operations = append(c.APIs[0].Operations, op)
			})
			request := func() *unread {
				u := &unread{httptest.NewRecorder(), make(chan struct{}, 1), make(chan struct{})}
				go func() {
					f.ServeHTTP(u, formRequest("/", "Action=Text&Version=2012-11-05"))
					close(u.began)
				}()
				return u
			}
			first, second := request(), request()
			<-first.began
			<-second.began
			f.budget.mu.Lock()
			if f.budget.memory.used[known] < 10<<20 || f.budget.memory.used[known] > 12<<20 {
				t.Errorf("%d bytes are used", f.budget.memory.used[known])
			}
			f.budget.mu.Unlock()
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // it would wait
			defer cancel()
			if w := f.do(formRequest("/", "Action=Text&Version=2012-11-05").WithContext(ctx)); w.Code != 503 {
				t.Errorf("a third is answered: %d, %d bytes", w.Code, w.Body.Len())
			}
			if n := undone.Load(); n != 1 {
				t.Errorf("%d operations were asked to undo what nobody was told, want the third", n)
			}
			close(first.read)
			close(second.read)
			<-first.began
			<-second.began
			if first.Code != 200 || first.Body.Len() < 5<<20 || f.budget.memory.used[known] != 0 {
				t.Errorf("%d, %d bytes; %d are still used", first.Code, first.Body.Len(), f.budget.memory.used[known])
			}
			if n := undone.Load(); n != 1 {
				t.Errorf("%d operations undid what was answered", n-1)
			}
		})
	}
}

// keeper is net/http's writer of an HTTP/2 stream that was reset: it fails, and what it
// was given is still to be written.
type keeper struct {
	*httptest.ResponseRecorder
	kept []byte
}

func (k *keeper) Write(b []byte) (int, error) {
	k.kept = b
	return 0, errors.New("stream closed")
}

// TestFailedWriteKeepsItsBuffer: what may still be written to one client is not made the
// answer of another.
func TestFailedWriteKeepsItsBuffer(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("first client's ", 100)
	op := Op("Text", func(context.Context, *Call, *Empty) (*textOutput, error) {
		return &textOutput{Texts: []string{text}}, nil
	})
	f := newFixture(t, func(c *Config) { c.APIs[0].Operations = append(c.APIs[0].Operations, op) })
	for range 20 { // a pool may not give what it was just given
		k := &keeper{ResponseRecorder: httptest.NewRecorder()}
		f.ServeHTTP(k, formRequest("/", "Action=Text&Version=2012-11-05"))
		was := string(k.kept)
		if !strings.Contains(was, text) {
			t.Fatalf("answered %q", was)
		}
		f.do(jsonRequest("AmazonSQS.SendMessage", strings.Repeat("x", firstBuffer/2)))
		if string(k.kept) != was {
			t.Fatal("another request has its buffer")
		}
	}
}
