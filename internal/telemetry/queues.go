package telemetry

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// otherQueues is the queue label that sums up the queues past the limit. A
// queue's name cannot hold a parenthesis, so it never clashes.
const otherQueues = "(other)"

// Queue is the state of one queue at scrape time.
type Queue struct {
	Account, Region, Name      string
	Visible, InFlight, Delayed int
	Bytes                      int64     // of waiting message bodies and attributes
	Oldest                     time.Time // zero: empty
	// Counted since this process took the queue over.
	Sent, Received, Deleted, DeadLettered uint64
}

// Partition is the state of one partition at scrape time.
type Partition struct {
	Name                string // its number
	Owned               bool   // by this process
	Ready               bool
	LiveBytes, LogBytes int64 // of messages that wait; of the whole log
	PendingBytes        int64 // taken in, not durable yet
	Waiting             int64 // long polls
	Messages            int64 // that wait
	MemoryBytes         int64 // what they take, about
	Queues              int   // placed on it, used or not; told whoever owns it
	Orphans             int   // queues that have messages and no definition
	Backlog             int64 // messages that wait for other partitions
}

// WatchQueues adds the queues' metrics: list is called at every scrape and
// visits each queue that this process serves. At most limit queues get series
// of their own, the first ones by account, region and name, so that they stay
// the same from scrape to scrape; the others are summed up under the name
// "(other)". A scrape costs time and memory in proportion to the queues.
func (m *Metrics) WatchQueues(limit int, list func(visit func(Queue))) {
	m.registry.MustRegister(newQueueCollector(limit, list, time.Now))
}

// WatchPartitions adds the partitions' metrics; list is called at every scrape.
func (m *Metrics) WatchPartitions(list func() []Partition) {
	m.registry.MustRegister(newPartitionCollector(list))
}

type queueCollector struct {
	limit int
	list  func(visit func(Queue))
	now   func() time.Time

	messages, bytes, age, traffic, queues *prometheus.Desc
}

func newQueueCollector(limit int, list func(func(Queue)), now func() time.Time) *queueCollector {
	labels := []string{"account", "region", "queue"}
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "queue", name), help, append(labels[:3:3], more...), nil)
	}
	return &queueCollector{
		limit: limit, list: list, now: now,
		messages: desc("messages", "Messages in the queue by state: visible, in_flight, delayed. Exact.", "state"),
		bytes:    desc("bytes", "Bytes of the messages in the queue."),
		age:      desc("oldest_message_age_seconds", "Age of the oldest message; 0 when the queue is empty."),
		traffic: desc("messages_total", "Messages by what happened to them (sent, received, deleted, dead_lettered), "+
			"since this process took the queue over.", "event"),
		queues: prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "queues"), "Queues that this process serves.", nil, nil),
	}
}

func (c *queueCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.messages, c.bytes, c.age, c.traffic, c.queues} {
		ch <- d
	}
}

func (c *queueCollector) Collect(ch chan<- prometheus.Metric) {
	now := c.now()
	var queues []Queue
	c.list(func(q Queue) { queues = append(queues, q) })
	ch <- prometheus.MustNewConstMetric(c.queues, prometheus.GaugeValue, float64(len(queues)))
	if len(queues) > c.limit {
		slices.SortFunc(queues, func(a, b Queue) int {
			return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region), strings.Compare(a.Name, b.Name))
		})
		c.emit(ch, now, sum(queues[c.limit:]))
		queues = queues[:c.limit]
	}
	for _, q := range queues {
		c.emit(ch, now, q)
	}
}

// sum adds queues up under the name of the others.
func sum(queues []Queue) Queue {
	other := Queue{Name: otherQueues}
	for _, q := range queues {
		other.Visible += q.Visible
		other.InFlight += q.InFlight
		other.Delayed += q.Delayed
		other.Bytes += q.Bytes
		other.Sent += q.Sent
		other.Received += q.Received
		other.Deleted += q.Deleted
		other.DeadLettered += q.DeadLettered
		if !q.Oldest.IsZero() && (other.Oldest.IsZero() || q.Oldest.Before(other.Oldest)) {
			other.Oldest = q.Oldest
		}
	}
	return other
}

func (c *queueCollector) emit(ch chan<- prometheus.Metric, now time.Time, q Queue) {
	value := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, more ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, append([]string{q.Account, q.Region, q.Name}, more...)...)
	}
	value(c.messages, prometheus.GaugeValue, float64(q.Visible), "visible")
	value(c.messages, prometheus.GaugeValue, float64(q.InFlight), "in_flight")
	value(c.messages, prometheus.GaugeValue, float64(q.Delayed), "delayed")
	value(c.bytes, prometheus.GaugeValue, float64(q.Bytes))
	age := 0.0
	if !q.Oldest.IsZero() {
		age = max(now.Sub(q.Oldest).Seconds(), 0)
	}
	value(c.age, prometheus.GaugeValue, age)
	value(c.traffic, prometheus.CounterValue, float64(q.Sent), "sent")
	value(c.traffic, prometheus.CounterValue, float64(q.Received), "received")
	value(c.traffic, prometheus.CounterValue, float64(q.Deleted), "deleted")
	value(c.traffic, prometheus.CounterValue, float64(q.DeadLettered), "dead_lettered")
}

// Room is what is left for messages on a node.
type Room struct {
	// StorageLevel is 0 while there is room, 1 when sends are refused, 2 when
	// receives are, too.
	StorageLevel             int32
	MemoryBytes, MemoryLimit int64 // what messages take, and may take
}

// WatchRoom adds the metrics of what is left for messages.
func (m *Metrics) WatchRoom(room func() Room) {
	gauge := func(name, help string, value func(Room) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: name, Help: help,
		}, func() float64 { return value(room()) }))
	}
	gauge("storage_level", "0: there is room; 1: sends are refused; 2: receives are, too.",
		func(r Room) float64 { return float64(r.StorageLevel) })
	gauge("messages_memory_bytes", "About what messages and queues take in memory.",
		func(r Room) float64 { return float64(r.MemoryBytes) })
	gauge("messages_memory_limit_bytes", "What they may take before sends are refused.",
		func(r Room) float64 { return float64(r.MemoryLimit) })
}

type partitionCollector struct {
	list                                       func() []Partition
	owned, ready, live, log, pending, longPoll *prometheus.Desc
	messages, memory, orphans, backlog, queues *prometheus.Desc
}

func newPartitionCollector(list func() []Partition) *partitionCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "partition", name), help, []string{"partition"}, nil)
	}
	return &partitionCollector{
		list:     list,
		owned:    desc("owned", "1 when this process owns the partition."),
		ready:    desc("ready", "1 when the partition is served, by this process or another."),
		live:     desc("live_bytes", "Bytes in the log of messages that wait."),
		log:      desc("log_bytes", "Bytes of the whole log."),
		pending:  desc("pending_bytes", "Bytes taken in that are not durable yet."),
		longPoll: desc("waiting_receives", "Receives that wait for a message."),
		messages: desc("messages", "Messages in memory, of queues of all kinds."),
		memory:   desc("memory_bytes", "About what messages and queues take in memory."),
		queues:   desc("queues", "Queues placed on the partition, used or not."),
		orphans:  desc("orphan_queues", "Queues that keep messages and have no definition."),
		backlog:  desc("outbox_messages", "Messages that wait for other partitions to take them in."),
	}
}

func (c *partitionCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.owned, c.ready, c.live, c.log, c.pending, c.longPoll, c.messages, c.memory, c.orphans, c.backlog, c.queues} {
		ch <- d
	}
}

func (c *partitionCollector) Collect(ch chan<- prometheus.Metric) {
	for _, p := range c.list() {
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, p.Name)
		}
		gauge(c.owned, one(p.Owned))
		gauge(c.ready, one(p.Ready))
		gauge(c.queues, float64(p.Queues))
		if !p.Owned {
			continue
		}
		gauge(c.live, float64(p.LiveBytes))
		gauge(c.log, float64(p.LogBytes))
		gauge(c.pending, float64(p.PendingBytes))
		gauge(c.longPoll, float64(p.Waiting))
		gauge(c.messages, float64(p.Messages))
		gauge(c.memory, float64(p.MemoryBytes))
		gauge(c.orphans, float64(p.Orphans))
		gauge(c.backlog, float64(p.Backlog))
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
