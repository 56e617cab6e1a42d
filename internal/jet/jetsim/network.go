package jetsim

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// maxQueued is how many messages wait for one who serves a subject; more are
// dropped.
const maxQueued = 65536

// server is one call of Serve.
type server struct {
	n       *Node
	pattern string
	h       func(*jet.Incoming)

	mu    sync.Mutex // guards what follows
	queue []arrival  // in the order of their sending
	ended bool
	wake  chan struct{} // of length 1
	done  chan struct{} // closed with ended
}

type arrival struct {
	at time.Time
	in *jet.Incoming
}

// Serve is jet.Cluster's.
func (n *Node) Serve(subject string, h func(*jet.Incoming)) (func(), error) {
	s := &server{n: n, pattern: subject, h: h, wake: make(chan struct{}, 1), done: make(chan struct{})}
	w := n.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.killed {
		return nil, failed("serve", subject, jet.ErrUnavailable)
	}
	w.served = append(w.served, s)
	go s.run()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.served = slices.DeleteFunc(w.served, func(other *server) bool { return other == s })
		s.close()
	}, nil
}

func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		s.queue = nil
		close(s.done)
	}
}

// put has a message arrive at the given time, after those sent before.
func (s *server) put(a arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(s.queue) >= maxQueued {
		return
	}
	s.queue = append(s.queue, a)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *server) run() {
	for {
		s.mu.Lock()
		var next *arrival
		if len(s.queue) > 0 {
			next = &s.queue[0]
		}
		ended := s.ended
		s.mu.Unlock()
		if ended {
			return
		}
		if next == nil {
			select {
			case <-s.wake:
			case <-s.done:
				return
			}
			continue
		}
		if d := time.Until(next.at); d > 0 {
			t := time.NewTimer(d)
			select {
			case <-t.C:
			case <-s.done:
				t.Stop()
				return
			}
		}
		if s.n.Awake(context.Background()) != nil {
			return
		}
		s.mu.Lock()
		if s.ended {
			s.mu.Unlock()
			return
		}
		in := s.queue[0].in
		s.queue = s.queue[1:]
		s.mu.Unlock()
		s.h(in)
	}
}

// send brings data to all who serve subject and can be reached, and returns how
// many serve it at all. World.mu is held.
func (n *Node) send(subject string, data []byte, reply func(from *Node, data []byte) error) (serving int) {
	w := n.w
	for _, s := range w.served {
		if !matches(s.pattern, subject) {
			continue
		}
		serving++
		if !w.reach(n, s.n) {
			continue
		}
		var answer func([]byte) error
		if reply != nil {
			answer = func(data []byte) error { return reply(s.n, data) }
		}
		s.put(arrival{at: time.Now().Add(w.delay() + n.slow), in: jet.NewIncoming(subject, data, answer)})
	}
	return serving
}

// reach reports whether a message gets from one node to another. mu is held.
func (w *World) reach(from, to *Node) bool {
	if from == to {
		return !from.killed
	}
	key := [2]string{min(from.name, to.name), max(from.name, to.name)}
	return !from.killed && !to.killed && !w.cuts[key] && !w.chance(w.lost)
}

// Publish is jet.Cluster's.
func (n *Node) Publish(subject string, data []byte) error {
	if len(data) > n.w.opts.MaxPayload {
		return failed("publish", subject, jet.ErrTooLarge)
	}
	if err := n.Awake(context.Background()); err != nil {
		return failed("publish", subject, err)
	}
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.send(subject, data, nil)
	return nil
}

// Request is jet.Cluster's.
func (n *Node) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if len(data) > n.w.opts.MaxPayload {
		return nil, failed("request", subject, jet.ErrTooLarge)
	}
	ctx, cancel := n.within(ctx)
	defer cancel()
	answer, err := n.request(ctx, subject, data)
	if err != nil {
		return nil, failed("request", subject, err)
	}
	return answer, nil
}

func (n *Node) request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, outcome(ctx)
	}
	if err := n.Awake(ctx); err != nil {
		if ctx.Err() != nil {
			err = outcome(ctx)
		}
		return nil, err
	}
	w := n.w
	answers := make(chan arrivedAnswer, 1)
	w.mu.Lock()
	serving := n.send(subject, data, func(from *Node, data []byte) error { return n.answer(from, data, answers) })
	w.mu.Unlock()
	if serving == 0 {
		return nil, jet.ErrNoResponders
	}
	select {
	case a := <-answers:
		if pause(ctx, time.Until(a.at)) != nil {
			return nil, outcome(ctx)
		}
		if err := n.Awake(ctx); err != nil {
			if ctx.Err() != nil {
				err = outcome(ctx)
			}
			return nil, err
		}
		return a.data, nil
	case <-ctx.Done():
		return nil, outcome(ctx)
	case <-n.dead:
		return nil, fmt.Errorf("%w: the node was killed", jet.ErrUnavailable)
	}
}

type arrivedAnswer struct {
	at   time.Time
	data []byte
}

// answer brings an answer of from to n.
func (n *Node) answer(from *Node, data []byte, answers chan arrivedAnswer) error {
	if len(data) > n.w.opts.MaxPayload {
		return failed("answer", n.name, jet.ErrTooLarge)
	}
	if err := from.Awake(context.Background()); err != nil {
		return failed("answer", n.name, err)
	}
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if !n.w.reach(from, n) || from.mute && from != n {
		return nil // lost on its way, which nobody tells
	}
	select {
	case answers <- arrivedAnswer{time.Now().Add(n.w.delay() + from.slow), data}:
	default: // another one answered first
	}
	return nil
}
