package registry

import (
	"context"
	"errors"
	"testing"

	"github.com/waystation/waystation/internal/jet"
)

// TestUnreadable has Run refuse what this release cannot read.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, key, value string }{
		{"newer", "queue.a.r.n", `{"version":2,"queue":{"id":"not a number"}}`},
		{"not JSON", "queue.a.r.n", `{`},
		{"empty", "queue.a.r.n", ``},
		{"another queue", "queue.a.r.n", `{"version":1,"queue":{"id":"1","account":"a","region":"r","name":"m"}}`},
		{"no queue", "queue.a.r.n", `{"version":1}`},
		{"no ID", "queue.a.r.n", `{"version":1,"queue":{"account":"a","region":"r","name":"n"}}`},
		{"bad key", "queue.a", `{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			if _, err := c.kv.Put(t.Context(), tt.key, []byte(tt.value)); err != nil {
				t.Fatal(err)
			}
			r, err := New(Config{KV: c.kv})
			if err != nil {
				t.Fatal(err)
			}
			err = r.Run(short(t))
			var v *VersionError
			if err == nil || errors.As(err, &v) != (tt.name == "newer") {
				t.Fatal(err)
			}
			select {
			case <-r.Ready():
				t.Fatal("ready all the same")
			default:
			}
			if _, _, err := r.CreateQueue(short(t), queue("q"), yes); !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
			if err := r.WaitFor(short(t), 100); !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
		})
	}
}

// TestOtherKeys leaves alone what it does not know.
func TestOtherKeys(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	if _, err := c.kv.Put(t.Context(), "topic.x", []byte("?")); err != nil {
		t.Fatal(err)
	}
	r := c.node(Config{})
	revision, err := c.kv.Put(t.Context(), "topic.y", []byte("?"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WaitFor(short(t), revision); err != nil || r.Revision() != revision {
		t.Fatal(err, r.Revision())
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.WaitFor(cancelled, revision+1); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestStoreGone maps the store's errors.
func TestStoreGone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	broken := &brokenStore{KV: c.kv}
	r := c.node(Config{KV: broken})
	create(t, r, "q")
	for _, want := range []error{ErrUnavailable, ErrFull} {
		broken.err = want
		if _, _, err := r.CreateQueue(short(t), queue("new"), yes); !errors.Is(err, want) {
			t.Error(err)
		}
		if _, err := r.UpdateQueue(short(t), account, region, "q", func(q *Queue) error { q.DelaySeconds++; return nil }); !errors.Is(err, want) {
			t.Error(err)
		}
		if err := r.DeleteQueue(short(t), account, region, "q"); !errors.Is(err, want) {
			t.Error(err)
		}
	}
	if _, ok := r.Queue(account, region, "q"); !ok {
		t.Error("memory lost the queue")
	}
}

// brokenStore fails every change.
type brokenStore struct {
	*jet.KV
	err error
}

func (b *brokenStore) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	if b.err != nil {
		return 0, b.err
	}
	return b.KV.Create(ctx, key, value)
}

func (b *brokenStore) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if b.err != nil {
		return 0, b.err
	}
	return b.KV.Update(ctx, key, value, revision)
}

func (b *brokenStore) Delete(ctx context.Context, key string, revision uint64) (uint64, error) {
	if b.err != nil {
		return 0, b.err
	}
	return b.KV.Delete(ctx, key, revision)
}

func FuzzDecodeQueue(f *testing.F) {
	q := queue("q")
	q.ID, q.Redrive, q.Tags = 1, &Redrive{"arn", 3}, map[string]string{"k": "v"}
	data, err := encodeQueue(&q)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(queueKey(q.Account, q.Region, q.Name), data)
	f.Add("queue.a.b.c", []byte(`{"version":1,"queue":null}`))
	f.Add("queue..b", []byte(`{"version":-1}`))
	f.Fuzz(func(t *testing.T, key string, data []byte) {
		q, err := decodeQueue(key, data, 1)
		if err != nil {
			return
		}
		if queueKey(q.Account, q.Region, q.Name) != key {
			t.Fatalf("%q gave %+v", key, q)
		}
		again, err := encodeQueue(q)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeQueue(key, again, 1); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseARN(f *testing.F) {
	f.Add("arn:aws:sqs:eu-central-1:000000000000:orders.fifo")
	f.Add("arn:aws:sqs:::")
	f.Fuzz(func(t *testing.T, arn string) {
		account, region, name, ok := ParseARN(arn)
		if ok && (&Queue{Account: account, Region: region, Name: name}).ARN() != arn {
			t.Fatal(account, region, name)
		}
	})
}
