package sqs

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/apitest"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

const (
	account = "123456789012"
	other   = "210987654321"
	region  = "us-east-1"
)

// definitions is Definitions in a map.
type definitions struct {
	mu     sync.Mutex
	queues map[string]*registry.Queue // by ARN

	unavailable atomic.Bool // the store does not answer
}

func (d *definitions) Queue(account, region, name string) (*registry.Queue, bool) {
	return d.QueueByARN("arn:aws:sqs:" + region + ":" + account + ":" + name)
}

func (d *definitions) FindQueue(_ context.Context, account, region, name string) (*registry.Queue, error) {
	if d.unavailable.Load() {
		return nil, registry.ErrUnavailable
	}
	q, ok := d.Queue(account, region, name)
	if !ok {
		return nil, registry.ErrNotFound
	}
	return q, nil
}

func (d *definitions) QueueByARN(arn string) (*registry.Queue, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q, ok := d.queues[arn]
	return q, ok
}

func (d *definitions) sorted() []*registry.Queue {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.SortedFunc(maps.Values(d.queues), func(a, b *registry.Queue) int { return strings.Compare(a.Name, b.Name) })
}

func (d *definitions) Queues(account, region, prefix, after string, limit int) (list []*registry.Queue, more bool) {
	for _, q := range d.sorted() {
		if q.Account != account || q.Region != region || !strings.HasPrefix(q.Name, prefix) || q.Name <= after {
			continue
		}
		if len(list) == limit {
			return list, true
		}
		list = append(list, q)
	}
	return list, false
}

func (d *definitions) DeadLetterSources(arn string) (list []*registry.Queue) {
	for _, q := range d.sorted() {
		if q.Redrive != nil && q.Redrive.TargetARN == arn {
			list = append(list, q)
		}
	}
	return list
}

func (d *definitions) CreateQueue(_ context.Context, q registry.Queue, same func(*registry.Queue) bool) (*registry.Queue, bool, error) {
	if existing, ok := d.QueueByARN(q.ARN()); ok {
		if !same(existing) {
			return nil, false, registry.ErrConflict
		}
		return existing, false, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	q.ID = uint64(len(d.queues) + 1)
	q.Created, q.Modified = 1_700_000_000, 1_700_000_000
	d.queues[q.ARN()] = &q
	return &q, true, nil
}

func (d *definitions) UpdateQueue(_ context.Context, account, region, name string, change func(*registry.Queue) error) (*registry.Queue, error) {
	old, ok := d.Queue(account, region, name)
	if !ok {
		return nil, registry.ErrNotFound
	}
	q := old.Clone()
	if err := change(q); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queues[q.ARN()] = q
	return q, nil
}

func (d *definitions) Secret(_ context.Context, name string, n int) ([]byte, error) {
	if d.unavailable.Load() {
		return nil, registry.ErrUnavailable
	}
	return bytes.Repeat([]byte{byte(len(name))}, n), nil
}

func (d *definitions) DeleteQueue(_ context.Context, account, region, name string) error {
	q, ok := d.Queue(account, region, name)
	if !ok {
		return registry.ErrNotFound
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.queues, q.ARN())
	return nil
}

// messages is Messages that notes what it is asked and answers what it is told.
type messages struct {
	mu       sync.Mutex
	err      error            // of every call
	each     map[string]error // by body or receipt: of that one message
	sent     []partition.Message
	receive  partition.ReceiveOptions
	received []partition.Received
	deleted  []string
	changed  []partition.VisibilityChange
	counts   partition.Counts
	purged   int
	tasks    []partition.MoveTask
}

func (m *messages) Send(_ context.Context, q *registry.Queue, msgs []partition.Message) ([]partition.SendResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	out := make([]partition.SendResult, len(msgs))
	for i, msg := range msgs {
		out[i] = partition.SendResult{ID: msg.ID}
		m.sent = append(m.sent, msg)
		if q.FIFO {
			out[i].Sequence = uint64(len(m.sent))
		}
	}
	return out, nil
}

func (m *messages) Receive(_ context.Context, _ *registry.Queue, o partition.ReceiveOptions) ([]partition.Received, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.receive = o
	return m.received, m.err
}

func (m *messages) Delete(_ context.Context, _ *registry.Queue, receipts []string) ([]error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	errs := make([]error, len(receipts))
	for i, r := range receipts {
		errs[i] = m.each[r]
	}
	m.deleted = append(m.deleted, receipts...)
	return errs, nil
}

func (m *messages) ChangeVisibility(_ context.Context, _ *registry.Queue, changes []partition.VisibilityChange) ([]error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	errs := make([]error, len(changes))
	for i, c := range changes {
		errs[i] = m.each[c.Receipt]
	}
	m.changed = append(m.changed, changes...)
	return errs, nil
}

func (m *messages) Purge(context.Context, *registry.Queue) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.purged++
	return m.err
}

func (m *messages) Counts(context.Context, *registry.Queue) (partition.Counts, error) {
	return m.counts, m.err
}

func (m *messages) StartMove(_ context.Context, source *registry.Queue, destination string, rate int) (partition.MoveTask, error) {
	if m.err != nil {
		return partition.MoveTask{}, m.err
	}
	t := partition.MoveTask{ID: "task-1", Source: source.ARN(), Destination: destination, Rate: rate,
		Status: partition.MoveRunning, ToMove: 7, Started: 1_700_000_000_000}
	m.tasks = append(m.tasks, t)
	return t, nil
}

func (m *messages) CancelMove(_ context.Context, _ *registry.Queue, id string) (partition.MoveTask, error) {
	for _, t := range m.tasks {
		if t.ID == id {
			t.Moved = 3
			return t, m.err
		}
	}
	return partition.MoveTask{}, partition.ErrMoveNotFound
}

func (m *messages) ListMoves(_ context.Context, _ *registry.Queue, max int) ([]partition.MoveTask, error) {
	return m.tasks[:min(max, len(m.tasks))], m.err
}

// env is a service over doubles of what it stands on.
type env struct {
	*service
	defs *definitions
	msgs *messages
}

func newEnv(t testing.TB) *env {
	t.Helper()
	keys, err := access.New(access.Config{EnforcePolicies: true})
	if err != nil {
		t.Fatal(err)
	}
	e := &env{defs: &definitions{queues: map[string]*registry.Queue{}}, msgs: &messages{each: map[string]error{}}}
	var n byte
	New(Config{}) // the table can be had without any of it
	e.service = newService(Config{
		Definitions: e.defs, Messages: e.msgs, Access: keys,
		Now:   func() time.Time { return time.Unix(1_700_000_000, 0) },
		NewID: func() (id partition.MessageID) { n++; id[15] = n; return id },
	})
	return e
}

// queue makes a queue and gives its URL.
func (e *env) make(t testing.TB, name string, attributes ...string) string {
	t.Helper()
	in := &createQueueInput{QueueName: name, Attributes: map[string]string{}}
	for i := 0; i+1 < len(attributes); i += 2 {
		in.Attributes[attributes[i]] = attributes[i+1]
	}
	if strings.HasSuffix(name, fifoSuffix) {
		in.Attributes["FifoQueue"] = "true"
	}
	out, err := e.createQueue(context.Background(), as(account), in)
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return out.QueueUrl
}

// as is a call of an account's root.
func as(account string) *protocol.Call { return apitest.Call(account, region, protocol.JSON) }

// anonymous is an unsigned call.
func anonymous() *protocol.Call {
	c := as("")
	c.Principal = access.Principal{Anonymous: true}
	return c
}

func ptr[T any](v T) *T { return &v }

var wantError = apitest.WantQueryError

// status is the HTTP status of an error.
func status(err error) int {
	var e *protocol.Error
	if !errors.As(err, &e) {
		return 0
	}
	switch {
	case e.Status != 0:
		return e.Status
	case e.Receiver:
		return 500
	}
	return 400
}

var errUnforeseen = errors.New("something broke inside")
