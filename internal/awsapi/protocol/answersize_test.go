package protocol

import (
	"context"
	"net/http/httptest"
	"strings"
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
			op := Op("Text", func(context.Context, *Call, *Empty) (*textOutput, error) {
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
			if f.budget.used < 10<<20 || f.budget.used > 12<<20 {
				t.Errorf("%d bytes are used", f.budget.used)
			}
			f.budget.mu.Unlock()
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // it would wait
			defer cancel()
			if w := f.do(formRequest("/", "Action=Text&Version=2012-11-05").WithContext(ctx)); w.Code != 503 {
				t.Errorf("a third is answered: %d, %d bytes", w.Code, w.Body.Len())
			}
			close(first.read)
			close(second.read)
			<-first.began
			<-second.began
			if first.Code != 200 || first.Body.Len() < 5<<20 || f.budget.used != 0 {
				t.Errorf("%d, %d bytes; %d are still used", first.Code, first.Body.Len(), f.budget.used)
			}
		})
	}
}
