package bus_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/registry"
)

// pusher is what pushes for a fixture's buses.
type pusher struct {
	*delivery.Service
	client *egress.Client
	stop   func()
}

// push starts pushing to machines nearby.
func (f *fixture) push() *pusher {
	f.t.Helper()
	p := &pusher{client: egress.New(egress.Config{Rules: egress.Rules{Private: true}})}
	f.SetEgress(p.client, f.parts.Count)
	var err error
	p.Service, err = delivery.New(delivery.Config{
		Partitions: f.parts, Health: f.reg.EndpointHealth(), Pusher: p.client, ProbeMin: 10 * time.Millisecond, ProbeMax: 100 * time.Millisecond,
		Resolvers: map[byte]delivery.Resolver{bus.Form: f.Destinations()},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{p.Run, f.RunConnections} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				f.t.Error(err)
			}
		})
	}
	p.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		p.client.CloseIdle()
	})
	f.t.Cleanup(p.stop)
	return p
}

// call is a request that a receiver got.
type call struct {
	method, url, body string
	header            http.Header
}

// receiver is an HTTP server that answers by answer (the status of the n-th request,
// from 0; nil: 200), and hands on what it got.
func receiver(t testing.TB, answer func(n int, c call) int) (url string, got chan call) {
	t.Helper()
	got = make(chan call, 1000)
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c := call{r.Method, r.URL.RequestURI(), string(body), r.Header.Clone()}
		i := int(n.Add(1)) - 1
		status := 200
		if answer != nil {
			status = answer(i, c)
		}
		w.WriteHeader(status)
		got <- c
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func (f *fixture) connection(def registry.Connection) *registry.Connection {
	f.t.Helper()
	def.Account, def.Region = account, region
	if def.Name == "" {
		def.Name = "c"
	}
	c, err := f.CreateConnection(f.t.Context(), def)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fixture) destination(c *registry.Connection, name, url string, change func(*registry.APIDestination)) *registry.APIDestination {
	f.t.Helper()
	d := registry.APIDestination{
		Meta: registry.Meta{Account: account, Region: region, Name: name}, ConnectionARN: c.ARN(), Endpoint: url, Method: "POST", PerSecond: 300,
	}
	if change != nil {
		change(&d)
	}
	made, err := f.CreateDestination(f.t.Context(), d)
	if err != nil {
		f.t.Fatal(err)
	}
	return made
}

func next(t testing.TB, got chan call) call {
	t.Helper()
	select {
	case c := <-got:
		return c
	case <-time.After(time.Minute):
		t.Fatal("nothing was pushed")
		return call{}
	}
}

var basic = registry.Connection{Type: bus.Basic, Client: "me", Secret: "hush"}

// authorizer is an OAuth server: tokens t1, t2, …
func authorizer(t testing.TB, status func(n int) int, expires string) (url string, got chan call) {
	t.Helper()
	got = make(chan call, 100)
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- call{r.Method, r.URL.RequestURI(), string(body), r.Header.Clone()}
		i := n.Add(1)
		if status != nil && status(int(i)) != 200 {
			w.WriteHeader(status(int(i)))
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		fmt.Fprintf(w, `{"access_token":"t%d","token_type":"Bearer","expires_in":%s}`, i, expires)
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func oauth(url string, more ...registry.Parameter) registry.Connection {
	return registry.Connection{Type: bus.OAuth, Client: "id", Secret: "hush", OAuth: &registry.OAuth{Endpoint: url + "/token", Method: "POST", Parameters: more}}
}

// state waits for a state of a connection.
func (f *fixture) state(name, want string) *registry.Connection {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		c, err := f.Connection(f.t.Context(), account, region, name)
		if err == nil && c.State == want {
			return c
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%+v, %v, want it to be %s", c, err, want)
		}
	}
}
