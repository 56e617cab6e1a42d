package partition_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// form is that of the payloads of the service that these tests play.
const form = partition.FirstForm + 3

// formed is a payload of it.
func formed(id partition.MessageID, text string) []byte {
	b := make([]byte, partition.PayloadRest, partition.PayloadRest+len(text))
	b[0] = form
	copy(b[partition.PayloadID:], id[:])
	return append(b, text...)
}

func render(r partition.Rendering) (partition.Message, error) {
	text := string(r.Payload[partition.PayloadRest:])
	if text == "damaged" {
		return partition.Message{}, errors.New("damaged")
	}
	m := partition.Message{
		ID:   partition.MessageID(r.Payload[partition.PayloadID:]),
		Body: fmt.Sprintf("%s for %s at %s, number %d", text, r.Reference, r.Origin, binary.BigEndian.Uint64(r.Payload[partition.PayloadSequence:])),
	}
	return m, nil
}

func (f *fixture) queue(q registry.Queue) *registry.Queue {
	f.t.Helper()
	q.Account, q.Region, q.RetentionSeconds, q.VisibilitySeconds = "000000000000", "us-east-1", 3600, 30
	made, _, err := f.reg.CreateQueue(f.t.Context(), q, func(*registry.Queue) bool { return true })
	if err != nil {
		f.t.Fatal(err)
	}
	return made
}

// passFor lets time pass, and the queue know: the owner's clock sleeps by the real one.
func (f *fixture) passFor(q *registry.Queue, d time.Duration) {
	f.t.Helper()
	f.pass(d)
	if _, err := f.Counts(f.t.Context(), q); err != nil {
		f.t.Fatal(err)
	}
}

// bodies receives what there is, waiting for the first.
func (f *fixture) bodies(q *registry.Queue, wait time.Duration) (list []string, got []partition.Received) {
	f.t.Helper()
	got, err := f.Receive(f.t.Context(), q, partition.ReceiveOptions{Max: 10, Visibility: -1, Wait: wait, Origin: "http://here"})
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range got {
		list = append(list, got[i].Body)
	}
	return list, got
}

// What a service posts into queues of the registry is rendered for each when it is
// received, also where it died, and where a redrive has brought it back.
func TestServicesPayloadsAreRendered(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	dead := f.queue(registry.Queue{Meta: registry.Meta{Name: "dead"}})
	q := f.queue(registry.Queue{Meta: registry.Meta{Name: "q"}, Redrive: &registry.Redrive{TargetARN: dead.ARN(), MaxReceives: 1}})
	other := f.queue(registry.Queue{Meta: registry.Meta{Name: "other"}})
	if other.Partition == q.Partition {
		t.Fatal("the queues are on one partition")
	}
	id := partition.NewID()
	target := func(q *registry.Queue, reference string) partition.PostTarget {
		to := partition.QueueTarget(q, "", "", id)
		to.Reference = reference
		return to
	}
	_, err := f.Post(t.Context(), q.Partition, []partition.PostItem{{
		Payload: formed(id, "news"), Targets: []partition.PostTarget{target(q, "one"), target(other, "two")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	list, got := f.bodies(q, time.Second)
	if !slices.Equal(list, []string{"news for one at http://here, number 0"}) || got[0].ID != id {
		t.Fatalf("%q of %v", list, got)
	}
	if list, _ := f.bodies(other, 10*time.Second); !slices.Equal(list, []string{"news for two at http://here, number 0"}) {
		t.Fatalf("on another partition: %q", list)
	}
	f.passFor(q, time.Minute)
	if list, got := f.bodies(dead, 10*time.Second); !slices.Equal(list, []string{"news for one at http://here, number 0"}) || got[0].DeadLetterSource != q.ARN() {
		t.Fatalf("dead: %q of %+v", list, got)
	}
	f.passFor(dead, time.Minute)
	if _, err := f.StartMove(t.Context(), dead, "", 0); err != nil {
		t.Fatal(err)
	}
	f.restart(2)
	if list, _ := f.bodies(q, 10*time.Second); !slices.Equal(list, []string{"news for one at http://here, number 0"}) {
		t.Fatalf("after the redrive: %q", list)
	}
	// One that cannot be rendered is an outage of its queue, no empty answer.
	f.post(q.Partition, string(formed(id, "damaged")), target(other, ""))
	f.eventually("the damaged one is there", func() bool {
		_, err := f.Receive(t.Context(), other, partition.ReceiveOptions{Max: 10, Visibility: 0})
		return errors.Is(err, partition.ErrUnavailable)
	})
}

// A payload that is posted once is placed in all queues or in none, and counted by
// its first one, over restarts and however often it is posted.
func TestPostOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	near := f.queue(registry.Queue{Meta: registry.Meta{Name: "near"}})
	far := f.queue(registry.Queue{Meta: registry.Meta{Name: "far"}})
	var last uint64
	publish := func(text string) (first partition.Posted) {
		t.Helper()
		id := partition.NewID()
		dedup := partition.DedupOf(text)
		ledger := partition.PostTarget{Target: at(near.Partition, ledgers, 1), Dedup: &dedup, Answer: id}
		out, err := f.Post(t.Context(), near.Partition, []partition.PostItem{{Once: true, Payload: formed(id, text), Targets: []partition.PostTarget{
			ledger, partition.QueueTarget(near, "", "", id), partition.QueueTarget(far, "", "", id),
		}}})
		if err != nil || len(out) != 3 || out[1].Duplicate != out[0].Duplicate {
			t.Fatalf("%+v, %v", out, err)
		}
		return out[0]
	}
	want := map[*registry.Queue][]string{}
	for i := range 6 {
		text := fmt.Sprint("text ", i)
		first := publish(text)
		if first.Duplicate || first.Key <= last {
			t.Fatalf("%s: %+v after %d", text, first, last)
		}
		last = first.Key
		if again := publish(text); !again.Duplicate || again.Key != first.Key || again.Answer != first.Answer {
			t.Fatalf("%s again: %+v, want %+v", text, again, first)
		}
		for _, q := range []*registry.Queue{near, far} {
			want[q] = append(want[q], fmt.Sprintf("%s for  at http://here, number %d", text, last))
		}
		switch i {
		case 1:
			f.restart(2)
		case 3:
			f.pass(10 * time.Second) // the ledger is empty, and remembers
			f.eventually("the ledger is empty", func() bool { return f.count(at(near.Partition, ledgers, 1)).Visible == 0 })
			f.restart(2)
		}
		if again := publish(text); !again.Duplicate || again.Key != first.Key {
			t.Fatalf("%s later: %+v, want %+v", text, again, first)
		}
	}
	for q, bodies := range want {
		var list []string
		f.eventually("all messages are there", func() bool {
			more, _ := f.bodies(q, 0)
			list = append(list, more...)
			return len(list) >= len(bodies)
		})
		slices.Sort(list)
		if more, _ := f.bodies(q, 0); !slices.Equal(list, bodies) || len(more) > 0 {
			t.Errorf("%s has %q and %q, want %q", q.Name, list, more, bodies)
		}
	}
	// The queue that decides is on the partition that is posted from, or nothing is done.
	for name, item := range map[string]partition.PostItem{
		"no room":   {Once: true, Payload: []byte("short"), Targets: []partition.PostTarget{{Target: at(0, ledgers, 1)}}},
		"elsewhere": {Once: true, Payload: formed(partition.NewID(), "x"), Targets: []partition.PostTarget{{Target: at(1, ledgers, 1)}}},
		"nowhere":   {Once: true, Payload: formed(partition.NewID(), "x")},
	} {
		if out, err := f.Post(t.Context(), 0, []partition.PostItem{item}); err == nil {
			t.Errorf("%s: %+v", name, out)
		}
	}
	out, err := f.Post(t.Context(), near.Partition, []partition.PostItem{{Once: true, Payload: formed(partition.NewID(), "x"), Targets: []partition.PostTarget{
		{Target: at(near.Partition, 99, 1)}, partition.QueueTarget(near, "", "", partition.NewID()),
	}}})
	if more, _ := f.bodies(near, 0); err != nil || len(out) != 2 || !out[0].Gone || out[1].Key != 0 || len(more) > 0 {
		t.Errorf("a ledger that is gone: %+v, %v, and the queue has %q", out, err, more)
	}
}
