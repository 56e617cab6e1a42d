package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/partition"
)

const (
	endpointCount = 1000
	endpointBad   = 50 // dead, and as many slow
	endpointPosts = 20 // each to all endpoints
	endpointEvery = time.Second
	endpointSlow  = 5 * time.Second
	endpointForm  = 250
)

// endpoints pushes to a thousand HTTP endpoints, of which none, or 50 are dead and 50
// slow, and measures how long messages take to the others.
func endpoints(ctx context.Context, o options, r *report) error {
	for _, bad := range []int{0, endpointBad} {
		took, err := endpointsWith(ctx, o, bad)
		if err != nil {
			return err
		}
		slices.Sort(took)
		at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))]) / float64(time.Millisecond) }
		r.add("endpoints", fmt.Sprintf("%d dead, %d slow of %d", bad, bad, endpointCount), []string{"ms p50", "ms p99", "ms max", "delivered"},
			at(0.5), at(0.99), at(1), float64(len(took)))
	}
	return nil
}

func endpointsWith(ctx context.Context, o options, bad int) ([]time.Duration, error) {
	n, err := openTemp(ctx, o)
	if err != nil {
		return nil, err
	}
	defer n.close()
	e := &thousand{bad: bad}
	server := httptest.NewServer(e)
	defer server.Close()
	dead, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never answers
	if err != nil {
		return nil, err
	}
	defer dead.Close()
	e.url, e.dead = server.URL, "http://"+dead.Addr().String()
	s, err := delivery.New(delivery.Config{
		Partitions: n, Health: n.registry.EndpointHealth(), Resolvers: map[byte]delivery.Resolver{endpointForm: e},
		Pusher: egress.New(egress.Config{Rules: egress.Rules{Private: true}, MaxConnections: 2 * delivery.DefaultWorkers}),
	})
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop() // before the node is closed, which waits for it
	n.start(func() error { return s.Run(running) })
	tick := time.NewTicker(endpointEvery)
	defer tick.Stop()
	for range endpointPosts {
		payload := binary.BigEndian.AppendUint64([]byte{endpointForm}, uint64(time.Now().UnixNano()))
		item := partition.PostItem{Payload: append(payload, make([]byte, o.size)...)}
		for id := range uint64(endpointCount) {
			item.Targets = append(item.Targets, partition.PostTarget{Target: endpointQueue(id + 1)})
		}
		if _, err := n.Post(ctx, 0, []partition.PostItem{item}); err != nil {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	want := endpointPosts * (endpointCount - 2*bad)
	for limit := time.Now().Add(time.Minute); ; {
		e.mu.Lock()
		took := slices.Clone(e.took)
		e.mu.Unlock()
		if len(took) >= want {
			return took, nil
		}
		if time.Now().After(limit) {
			return nil, fmt.Errorf("%d of %d messages were delivered", len(took), want)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func endpointQueue(id uint64) partition.Target {
	return partition.Target{Queue: partition.Ref{Kind: partition.KindDeliveries, ID: id}}
}

// thousand are the endpoints: the first bad ones are dead, the next slow.
type thousand struct {
	bad       int
	url, dead string

	mu   sync.Mutex
	took []time.Duration // of those that are neither; guarded by mu
}

func (e *thousand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent, _ := strconv.ParseInt(r.Header.Get("x-sent"), 10, 64)
	if r.URL.Path == "/slow" {
		time.Sleep(endpointSlow)
	} else {
		e.mu.Lock()
		e.took = append(e.took, time.Since(time.Unix(0, sent)))
		e.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
}

// Resolve is delivery.Resolver's.
func (e *thousand) Resolve(_ context.Context, q partition.Target, m *delivery.Message) (*delivery.Endpoint, error) {
	m.ID = "m"
	url := e.url + "/"
	switch id := int(q.Queue.ID) - 1; {
	case id < e.bad:
		url = e.dead
	case id < 2*e.bad:
		url = e.url + "/slow"
	}
	return &delivery.Endpoint{
		Queue: q, Name: url, Schedule: delivery.Schedule{Backoff: 3, MinDelay: 20 * time.Second, MaxDelay: 20 * time.Second},
		Render: func(_ context.Context, m *delivery.Message) (delivery.Request, error) {
			sent := strconv.FormatUint(binary.BigEndian.Uint64(m.Payload[1:]), 10)
			return delivery.Request{URL: url, Header: []delivery.Header{{Name: "x-sent", Value: sent}}, Body: m.Payload[9:]}, nil
		},
	}, nil
}

// Named is delivery.Resolver's.
func (e *thousand) Named(context.Context, string) (*delivery.Endpoint, error) {
	return nil, errors.New("nobody asks")
}

// Endpoints is delivery.Resolver's.
func (e *thousand) Endpoints(string, int) ([]*delivery.Endpoint, bool) { return nil, false }
