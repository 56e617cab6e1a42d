package main

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/scheduler"
	"github.com/waystation/waystation/internal/topic"
)

// node is the part of a server below the API: log, registry, partitions.
type node struct {
	*partition.Service
	conn     *jet.Conn
	registry *registry.Registry
	access   *access.Access
	topics   *topic.Service
	buses    *bus.Service
	dir      string
	remove   bool
	loading  time.Duration // from opening until ready, replay included
	stop     context.CancelFunc
	wg       sync.WaitGroup
	failed   atomic.Pointer[error]
}

// maxQueues is above what any scenario makes.
const maxQueues = 10_000_000

// openTemp opens a node on a new temporary folder.
func openTemp(ctx context.Context, o options) (*node, error) {
	dir, err := os.MkdirTemp(o.dir, "waystation-bench-")
	if err != nil {
		return nil, err
	}
	n, err := open(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	n.remove = true
	return n, nil
}

func open(ctx context.Context, dir string) (n *node, err error) {
	began := time.Now()
	conn, err := jet.Open(ctx, jet.Config{Dir: dir, Prefix: "ws", Node: "bench"})
	if err != nil {
		return nil, err
	}
	n = &node{conn: conn, dir: dir}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stop = stop
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if n.registry, err = registry.Open(ctx, conn, "ws", registry.Config{MaxQueues: maxQueues}); err != nil {
		return nil, err
	}
	if n.access, err = access.New(access.Config{}); err != nil {
		return nil, err
	}
	if n.topics, err = topic.New(topic.Config{Registry: n.registry, Access: n.access}); err != nil {
		return nil, err
	}
	if n.buses, err = bus.New(bus.Config{Registry: n.registry, Access: n.access, MaxRules: rulesMany}); err != nil {
		return nil, err
	}
	kinds := topic.Kinds()
	maps.Copy(kinds, bus.Kinds())
	maps.Copy(kinds, scheduler.Kinds())
	maps.Copy(kinds, delivery.Kinds(0))
	if n.Service, err = partition.New(partition.Config{
		Conn: conn, Registry: n.registry, Prefix: "ws", Node: "bench", Kinds: kinds,
		Renderers: map[byte]partition.Renderer{topic.Form: n.topics.Envelopes().Render, bus.Form: bus.Render},
	}); err != nil {
		return nil, err
	}
	n.topics.SetPartitions(n.Service)
	n.buses.SetPartitions(n.Service)
	n.buses.SetTopics(n.topics)
	n.registry.SetPlacer(n.Place)
	n.start(func() error { return n.registry.Run(run) })
	if err := n.await(ctx, n.registry.Ready()); err != nil {
		return nil, err
	}
	n.start(func() error { return n.Service.Run(run) })
	if err := n.await(ctx, n.Service.Ready()); err != nil {
		return nil, err
	}
	n.loading = time.Since(began)
	return n, nil
}

func (n *node) start(run func() error) {
	n.wg.Go(func() {
		if err := run(); err != nil {
			n.failed.Store(&err)
			n.stop()
		}
	})
}

func (n *node) await(ctx context.Context, ready <-chan struct{}) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ready:
			return nil
		case <-tick.C:
			if err := n.failed.Load(); err != nil {
				return *err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *node) close() error {
	n.stop()
	n.wg.Wait()
	err := n.conn.Close()
	if n.remove {
		err = errors.Join(err, os.RemoveAll(n.dir))
	}
	return err
}

// queue makes a queue with the defaults of SQS and a long visibility timeout.
func (n *node) queue(ctx context.Context, name string, fifo bool) (*registry.Queue, error) {
	if fifo {
		name += ".fifo"
	}
	q, _, err := n.registry.CreateQueue(ctx, registry.Queue{
		Meta: registry.Meta{Account: "000000000000", Region: "us-east-1", Name: name}, FIFO: fifo,
		MaxMessageSize: 1 << 20, RetentionSeconds: 345_600, VisibilitySeconds: 3600,
		DedupScope: scope(fifo), ThroughputLimit: limit(fifo),
	}, func(*registry.Queue) bool { return true })
	return q, err
}

func scope(fifo bool) string {
	if fifo {
		return "queue"
	}
	return ""
}

func limit(fifo bool) string {
	if fifo {
		return "perQueue"
	}
	return ""
}

// sender makes messages.
type sender struct {
	body string
	md5  [16]byte
	next atomic.Uint64
}

func newSender(body string) *sender { return &sender{body: body, md5: md5.Sum([]byte(body))} }

func (s *sender) message(group string) partition.Message {
	m := partition.Message{
		ID: partition.NewID(), Body: s.body, BodyMD5: s.md5, SenderID: "AIDAIENQZJOLO23YVJ4VO", GroupID: group, Delay: -1,
	}
	if group != "" {
		m.DedupID = fmt.Sprint("d", s.next.Add(1))
	}
	return m
}

// send sends n messages from the given number of callers, perCall at a time;
// group, if any, names the message group of the i-th.
func (n *node) send(ctx context.Context, q *registry.Queue, s *sender, callers, total, perCall int, group func(i int) string) error {
	return parallel(callers, total, perCall, func(from, to int) error {
		batch := make([]partition.Message, 0, perCall)
		for i := from; i < to; i++ {
			g := ""
			if group != nil {
				g = group(i)
			}
			batch = append(batch, s.message(g))
		}
		for {
			_, err := n.Send(ctx, q, batch)
			if errors.Is(err, partition.ErrBusy) {
				continue
			}
			return err
		}
	})
}

// parallel has callers goroutines work through total items, step at a time.
func parallel(callers, total, step int, work func(from, to int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for c := range callers {
		wg.Go(func() {
			for {
				to := int(next.Add(int64(step)))
				from := to - step
				if from >= total {
					return
				}
				if errs[c] = work(from, min(to, total)); errs[c] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
