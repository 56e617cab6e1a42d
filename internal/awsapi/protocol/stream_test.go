package protocol

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/awsapi/protocol/eventstream"
)

type tick struct{ Number int32 }

type ticks struct{ Tick *tick }

// TestStreamedAnswer: every event is at the client before the next is made, a stream
// lives longer than the server lets other answers, ends at its own limit as if it were
// over, and a panic inside is an exception to the client.
func TestStreamedAnswer(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	type in struct{ How string }
	stream := func(_ context.Context, _ *Call, in *in) (*Empty, Events[ticks], error) {
		if in.How == "refused" {
			return nil, nil, &Error{Code: "NoStream", Message: "There is none."}
		}
		return nil, func(ctx context.Context, send func(*ticks) error) error {
			for n := range int32(3) {
				if err := send(&ticks{Tick: &tick{n}}); err != nil {
					return err
				}
				<-arrived
			}
			switch in.How {
			case "panics":
				panic("secret state")
			case "endless":
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, nil
	}
	f := newFixture(t, func(c *Config) {
		c.APIs = []*API{{Name: "kinesis", Target: "K", JSON: "1.1", Operations: []Operation{
			Stream("Subscribe", stream, TimeLimit(300*time.Millisecond)),
		}}}
	})
	srv := httptest.NewUnstartedServer(f)
	srv.Config.WriteTimeout = 50 * time.Millisecond
	srv.Start()
	t.Cleanup(srv.Close)
	ask := func(how string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader(`{"How":"`+how+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "K.Subscribe")
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	if resp := ask("refused"); resp.StatusCode != 400 {
		t.Errorf("refused: %s", resp.Status)
	}
	for _, how := range []string{"ends", "endless", "panics"} {
		resp := ask(how)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != eventsType {
			t.Fatalf("%s: %s %v", how, resp.Status, resp.Header)
		}
		var types []string
		events := eventstream.NewReader(resp.Body, 1<<20)
		for {
			m, err := events.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: after %q: %v", how, types, err)
			}
			kind := m.Text(":event-type")
			if kind == "" {
				kind = m.Text(":message-type")
			}
			types = append(types, kind)
			if strings.Contains(string(m.Payload), "secret") {
				t.Errorf("internals shown: %s", m.Payload)
			}
			if kind == "Tick" {
				arrived <- struct{}{}
			}
		}
		want := "initial-response Tick Tick Tick"
		if how == "panics" {
			want += " exception"
		}
		if got := strings.Join(types, " "); got != want {
			t.Errorf("%s: %q", how, got)
		}
	}
}

// TestTimeLimit: an operation with a limit of its own has a context that ends then, and
// time to say so.
func TestTimeLimit(t *testing.T) {
	t.Parallel()
	wait := func(ctx context.Context, _ *Call, _ *Empty) (*Empty, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	f := newFixture(t, func(c *Config) {
		c.APIs = []*API{{Name: "a", Target: "A", JSON: "1.1", Operations: []Operation{Op("Wait", wait, TimeLimit(20*time.Millisecond))}}}
	})
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "A.Wait")
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 503 || !strings.Contains(string(b), "in time") {
		t.Errorf("%s %s", resp.Status, b)
	}
}
