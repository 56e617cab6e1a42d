package telemetry

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	m := New("v1.2.3")
	m.Request("sqs", "SendMessage", "", time.Millisecond, 100, 200)
	m.Request("sqs", "SendMessage", "", time.Millisecond, 100, 200)
	m.Request("sqs", "SendMessage", "QueueDoesNotExist", time.Millisecond, 1, 2)
	m.Connection(1)
	m.Connection(1)
	m.Connection(-1)
	text := scrape(t, m)
	wantLines(t, text,
		`waystation_requests_total{api="sqs",code="OK",operation="SendMessage"} 2`,
		`waystation_requests_total{api="sqs",code="QueueDoesNotExist",operation="SendMessage"} 1`,
		`waystation_request_duration_seconds_count{api="sqs",operation="SendMessage"} 3`,
		`waystation_request_bytes_total{api="sqs",direction="in"} 201`,
		`waystation_request_bytes_total{api="sqs",direction="out"} 402`,
		`waystation_connections_open 1`,
	)
	if !strings.Contains(text, `version="v1.2.3"`) || !strings.Contains(text, "go_goroutines") {
		t.Error("no build info or no Go metrics")
	}
}

func TestRequestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	m := New("v")
	for i := range maxRequestSeries + 100 {
		m.Request("sqs", fmt.Sprint(i), "", 0, 0, 0)
	}
	text := scrape(t, m)
	if n := strings.Count(text, "\nwaystation_requests_total{"); n > maxRequestSeries+1 {
		t.Fatalf("%d series", n)
	}
	wantLines(t, text, `waystation_requests_total{api="other",code="other",operation="other"} 100`)
}

func TestQueuesPastTheLimitAreSummedUp(t *testing.T) {
	t.Parallel()
	m := New("v")
	now := time.Now()
	m.registry.MustRegister(newQueueCollector(1, func(visit func(Queue)) {
		visit(Queue{Account: "1", Region: "r", Name: "a", Visible: 3, InFlight: 2, Delayed: 1, Bytes: 10, Oldest: now.Add(-90 * time.Second), Sent: 7})
		visit(Queue{Account: "1", Region: "r", Name: "b", Visible: 10, Oldest: now.Add(-5 * time.Second)})
		visit(Queue{Account: "2", Region: "r", Name: "c", Visible: 20, Oldest: now.Add(-7 * time.Second)})
	}, func() time.Time { return now }))
	text := scrape(t, m)
	wantLines(t, text,
		`waystation_queue_messages{account="1",queue="a",region="r",state="visible"} 3`,
		`waystation_queue_messages{account="1",queue="a",region="r",state="in_flight"} 2`,
		`waystation_queue_messages{account="1",queue="a",region="r",state="delayed"} 1`,
		`waystation_queue_oldest_message_age_seconds{account="1",queue="a",region="r"} 90`,
		`waystation_queue_messages_total{account="1",event="sent",queue="a",region="r"} 7`,
		`waystation_queue_messages{account="",queue="(other)",region="",state="visible"} 30`,
		`waystation_queue_oldest_message_age_seconds{account="",queue="(other)",region=""} 7`,
		`waystation_queues 3`,
	)
}

func TestPartitionsAndJournals(t *testing.T) {
	t.Parallel()
	m := New("v")
	m.WatchPartitions(func() []Partition {
		return []Partition{{Name: "0", Owned: true, Ready: true, LiveBytes: 5, LogBytes: 9, Waiting: 4, Messages: 6, MemoryBytes: 700, Orphans: 1, Backlog: 2, Queues: 3}, {Name: "1", Queues: 8}}
	})
	m.WatchQueues(10, func(func(Queue)) {})
	m.WatchRoom(func() Room { return Room{StorageLevel: 1, MemoryBytes: 8, MemoryLimit: 9} })
	j := m.Journal("0")
	j.Appended(time.Millisecond, 64, 1000)
	j.Fetched(time.Millisecond, 3, 700)
	j.Trimmed(5)
	text := scrape(t, m)
	wantLines(t, text,
		`waystation_partition_owned{partition="0"} 1`,
		`waystation_partition_owned{partition="1"} 0`,
		`waystation_partition_live_bytes{partition="0"} 5`,
		`waystation_partition_waiting_receives{partition="0"} 4`,
		`waystation_partition_messages{partition="0"} 6`,
		`waystation_partition_memory_bytes{partition="0"} 700`,
		`waystation_partition_orphan_queues{partition="0"} 1`,
		`waystation_partition_queues{partition="0"} 3`,
		`waystation_partition_queues{partition="1"} 8`,
		`waystation_partition_outbox_messages{partition="0"} 2`,
		`waystation_storage_level 1`,
		`waystation_messages_memory_bytes 8`,
		`waystation_messages_memory_limit_bytes 9`,
		`waystation_journal_append_records_sum{journal="0"} 64`,
		`waystation_journal_fetch_duration_seconds_count{journal="0"} 1`,
		`waystation_journal_fetched_appends_total{journal="0"} 3`,
		`waystation_journal_trimmed_appends_total{journal="0"} 5`,
	)
}

func TestServersDoNotShare(t *testing.T) {
	t.Parallel()
	a, b := New("v"), New("v")
	a.Request("sqs", "SendMessage", "", 0, 0, 0)
	if strings.Contains(scrape(t, b), "waystation_requests_total{") {
		t.Fatal("a request of one server shows in another")
	}
}

func TestNewLogger(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ format, want string }{{"text", "level=WARN msg=m k=v"}, {"json", `"level":"WARN","msg":"m","k":"v"`}} {
		var b bytes.Buffer
		log, err := NewLogger(&b, slog.LevelWarn, tt.format)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("not this")
		log.Warn("m", "k", "v")
		if !strings.Contains(b.String(), tt.want) || strings.Contains(b.String(), "not this") {
			t.Errorf("%s: %s", tt.format, b.String())
		}
	}
	if _, err := NewLogger(nil, 0, "xml"); err == nil {
		t.Error("an unknown format is accepted")
	}
}

func BenchmarkRequest(b *testing.B) {
	m := New("v")
	b.ReportAllocs()
	for b.Loop() {
		m.Request("sqs", "SendMessage", "", time.Millisecond, 100, 200)
	}
}
