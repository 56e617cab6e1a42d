package registry

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// full is a queue with every field set.
func full() *Queue {
	return &Queue{
		Meta:      Meta{ID: 7, Account: account, Region: region, Name: "q.fifo", Created: 1, Modified: 2, Revision: 300},
		Partition: 3, FIFO: true, ContentDedup: true, ManagedSSE: true,
		DelaySeconds: 4, MaxMessageSize: 5, RetentionSeconds: 6, WaitSeconds: 7, VisibilitySeconds: 8,
		Policy: "{}", Redrive: &Redrive{"arn", 9}, RedriveAllow: &RedriveAllow{"byQueue", []string{"a", "b"}},
		DedupScope: "queue", ThroughputLimit: "perQueue", KMSKeyID: "k", KMSReuseSeconds: 10,
		Tags: map[string]string{"a": "b", "c": "d"},
	}
}

// TestQueueCodec: every field comes back, and a changed, cut or longer form is
// refused.
func TestQueueCodec(t *testing.T) {
	t.Parallel()
	q := full()
	v := reflect.ValueOf(*q)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not set here: the test would not miss it", v.Type().Field(i).Name)
		}
	}
	b, err := EncodeQueue(q)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeQueue(b)
	if err != nil || !reflect.DeepEqual(got, q) {
		t.Fatalf("%+v %v", got, err)
	}
	again, err := EncodeQueue(got)
	if err != nil || !bytes.Equal(b, again) {
		t.Fatal("the same queue gives other bytes", err)
	}
	for i := range b {
		for _, x := range []byte{1, 0x80} {
			c := slices.Clone(b)
			c[i] ^= x
			if q, err := DecodeQueue(c); err == nil {
				t.Fatalf("byte %d changed: %+v", i, q)
			}
		}
		if q, err := DecodeQueue(b[:i]); err == nil {
			t.Fatalf("cut to %d: %+v", i, q)
		}
	}
	if q, err := DecodeQueue(append(slices.Clone(b), 0)); err == nil {
		t.Fatalf("a byte more: %+v", q)
	}
}

// resealed is the encoded form of a body with another tag and version.
func resealed(t *testing.T, tag, version byte, body any) []byte {
	t.Helper()
	b, err := encMode.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return sealed{tag, version, 5, b}.append(nil)
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := map[int]any{1: 7, 2: "a", 3: "r", 4: "n"}
	if q, err := DecodeQueue(resealed(t, tagQueue, 1, good)); err != nil || q.ID != 7 || q.Revision != 5 {
		t.Fatal(q, err)
	}
	if _, err := DecodeQueue(resealed(t, tagSecret, 1, good)); !errors.Is(err, errNotThatKind) {
		t.Error(err)
	}
	for _, version := range []byte{0, 2} {
		var v *VersionError
		if _, err := DecodeQueue(resealed(t, tagQueue, version, good)); !errors.As(err, &v) || v.Version != int(version) || v.Known != 1 ||
			!strings.Contains(err.Error(), "newer release") {
			t.Error(version, err)
		}
	}
	for name, body := range map[string]any{
		"no ID":                   map[int]any{2: "a", 3: "r", 4: "n"},
		"a bad name":              map[int]any{1: 7, 2: "a", 3: "r", 4: "n n"},
		"a wrong type":            map[int]any{1: 7, 2: "a", 3: "r", 4: "n", 10: "x"},
		"no map":                  "x",
		"both, unknown and wrong": map[int]any{1: 7, 2: "a", 3: "r", 4: "n", 10: "x", 99: 1},
	} {
		if q, err := DecodeQueue(resealed(t, tagQueue, 1, body)); err == nil {
			t.Errorf("%s: %+v", name, q)
		}
	}
}

// TestUnknownFields: what a newer release wrote is kept through changes of this one.
func TestUnknownFields(t *testing.T) {
	t.Parallel()
	k := queues(0, nil)
	s, err := openSealed(resealed(t, tagQueue, 1, map[int]any{1: 7, 2: "a", 3: "r", 4: "n", 12: 3, 200: "new", 201: []int{1}}))
	if err != nil {
		t.Fatal(err)
	}
	q, more, err := k.decode(s)
	if err != nil || q.DelaySeconds != 3 || len(more) != 2 {
		t.Fatal(q, more, err)
	}
	q.DelaySeconds = 4
	b, err := k.body(q, more)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[uint64]cbor.RawMessage{}
	if err := cbor.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	var text string
	if err := cbor.Unmarshal(fields[200], &text); err != nil || text != "new" || len(fields[201]) == 0 || !bytes.Equal(fields[12], []byte{4}) {
		t.Fatal(fields)
	}
}

func TestEntryCodec(t *testing.T) {
	t.Parallel()
	e := entry{
		flags: flagBase | flagKeeps, revision: 1000, floor: 300, total: 70_000, floorTotal: 9, before: checksum{1, 2, 3, 4, 5, 6, 7, 8},
		items: []item{{opPut, []byte("put")}, {opDelete, nil}, {opKeep, bytes.Repeat([]byte("k"), 300)}},
	}
	b := e.encode()
	got, err := decodeEntry(b)
	if err != nil || got.sum != e.sum || got.flags != e.flags || got.revision != e.revision || got.floor != e.floor ||
		got.total != e.total || got.floorTotal != e.floorTotal || got.before != e.before || len(got.items) != 3 {
		t.Fatalf("%+v %v", got, err)
	}
	for i, it := range got.items {
		if it.op != e.items[i].op || !bytes.Equal(it.data, e.items[i].data) {
			t.Fatalf("%d: %+v", i, it)
		}
	}
	for i := range b {
		for _, x := range []byte{1, 0x80} {
			c := slices.Clone(b)
			c[i] ^= x
			if _, err := decodeEntry(c); err == nil {
				t.Fatalf("byte %d changed", i)
			}
		}
		if _, err := decodeEntry(b[:i]); err == nil {
			t.Fatalf("cut to %d", i)
		}
	}
	if _, err := decodeEntry(append(slices.Clone(b), 0)); err == nil {
		t.Fatal("a byte more")
	}
	c := slices.Clone(b)
	c[0] = entryVersion + 1
	if _, err := decodeEntry(c); !errors.Is(err, errEntryNewer) {
		t.Fatal(err)
	}
	newer := e
	newer.flags = flagsKnown
	if _, err := decodeEntry(newer.encode()); !errors.Is(err, errEntryNewer) {
		t.Fatal(err)
	}
	// Padding that the checksum covers.
	padded := append(slices.Clone(b[:len(b)-8]), 0)
	sum := sumOf(padded)
	if _, err := decodeEntry(append(padded, sum[:]...)); err == nil {
		t.Fatal("padding")
	}
	// parse finds the end by itself.
	loose := entry{}
	if n, err := loose.parse(append(slices.Clone(b), "behind"...)); err != nil || n != len(b)-8 || len(loose.items) != 3 {
		t.Fatal(n, err)
	}
	// What stands before a damaged item is found.
	loose = entry{}
	if _, err := loose.parse(b[:len(b)-50]); err == nil || len(loose.items) != 2 {
		t.Fatal(err, loose.items)
	}
}

func TestDeletionCodec(t *testing.T) {
	t.Parallel()
	d := deletion{tag: 3, id: 1 << 60, name: fullName{"acc", "reg", "some/name"}}
	b := d.encode()
	if got, err := decodeDeletion(b); err != nil || got != d {
		t.Fatal(got, err)
	}
	for i := range b {
		if _, err := decodeDeletion(b[:i]); err == nil {
			t.Fatalf("cut to %d", i)
		}
	}
	if _, err := decodeDeletion(append(b, 0)); err == nil {
		t.Fatal("a byte more")
	}
}

func FuzzDecode(f *testing.F) {
	q, err := EncodeQueue(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(q)
	e := entry{revision: 1, floor: 1, total: 2, items: []item{{opPut, q}, {opDelete, (&deletion{1, 2, fullName{"a", "b", "c"}}).encode()}}}
	f.Add(e.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := DecodeQueue(b); err == nil {
			again, err := EncodeQueue(q)
			if err != nil {
				t.Fatal(err)
			}
			if p, err := DecodeQueue(again); err != nil || !reflect.DeepEqual(p, q) {
				t.Fatal(p, q, err)
			}
		}
		// The checksum keeps the fuzzer out of what is behind it.
		sum := sumOf(b)
		if e, err := decodeEntry(append(slices.Clone(b), sum[:]...)); err == nil {
			s := newState(map[byte]handle{})
			if steps, err := s.steps(e, true); err == nil {
				s.apply(1, e, steps)
			}
		}
		if d, err := decodeDeletion(b); err == nil {
			if again, err := decodeDeletion(d.encode()); err != nil || again != d {
				t.Fatal(d, again, err)
			}
		}
	})
}

func TestARNs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind, name, arn string
	}{
		{"queue", "orders.fifo", "arn:aws:sqs:r:1:orders.fifo"},
		{"topic", "t", "arn:aws:sns:r:1:t"},
		{"subscription", "t/6b0e71bd", "arn:aws:sns:r:1:t:6b0e71bd"},
		{"bus", "b", "arn:aws:events:r:1:event-bus/b"},
		{"rule", "default/x", "arn:aws:events:r:1:rule/x"},
		{"rule", "b/x", "arn:aws:events:r:1:rule/b/x"},
		{"archive", "a", "arn:aws:events:r:1:archive/a"},
		{"schedule", "g/s", "arn:aws:scheduler:r:1:schedule/g/s"},
		{"schedule-group", "g", "arn:aws:scheduler:r:1:schedule-group/g"},
		{"pipe", "p", "arn:aws:pipes:r:1:pipe/p"},
		{"stream", "s", "arn:aws:kinesis:r:1:stream/s"},
		{"delivery-stream", "s", "arn:aws:firehose:r:1:deliverystream/s"},
		{"function", "f", "arn:aws:lambda:r:1:function:f"},
		{"function-version", "f/7", "arn:aws:lambda:r:1:function:f:7"},
		{"event-source-mapping", "u-1", "arn:aws:lambda:r:1:event-source-mapping:u-1"},
	} {
		r := Resource{tt.kind, "1", "r", tt.name}
		if got := r.ARN(); got != tt.arn {
			t.Errorf("%+v: %s", r, got)
		}
		if got, ok := ParseARN(tt.arn); !ok || got != r {
			t.Errorf("%s: %+v %v", tt.arn, got, ok)
		}
	}
	for _, arn := range []string{
		"", "arn", "arn:aws:sqs:r:1", "arn:aws:sqs:r:1:", "arn:aws:sqs::1:q", "arn:aws:sqs:r::q", "arn:aws:sqs:r:1:a/b", "arn:aws:sqs:r:1:a:b",
		"arn:aws-cn:sqs:r:1:q", "arn:aws:unknown:r:1:q", "arn:aws:events:r:1:rule/", "arn:aws:events:r:1:rule/a/b/c", "arn:aws:sns:r:1:a:b:c",
		"arn:aws:lambda:r:1:function", "arn:aws:sqs:eu.west:1:q",
	} {
		if r, ok := ParseARN(arn); ok {
			t.Errorf("%q was taken for %+v", arn, r)
		}
	}
	if _, _, _, ok := ParseQueueARN("arn:aws:sns:r:1:t"); ok {
		t.Error("a topic was taken for a queue")
	}
	if a, r, n, ok := ParseQueueARN("arn:aws:sqs:r:1:q"); !ok || a != "1" || r != "r" || n != "q" {
		t.Error(a, r, n, ok)
	}
	for _, r := range []Resource{{"nothing", "1", "r", "n"}, {"rule", "1", "r", "n"}, {"queue", "1", "r", "a/b"}, {"subscription", "1", "r", "t"}} {
		if arn := r.ARN(); arn != "" {
			t.Errorf("%+v: %s", r, arn)
		}
	}
}

func FuzzParseARN(f *testing.F) {
	f.Add("arn:aws:sqs:eu-central-1:000000000000:orders.fifo")
	f.Add("arn:aws:events:r:1:rule/b/x")
	f.Add("arn:aws:sns:r:1:t:6b0e71bd")
	f.Fuzz(func(t *testing.T, arn string) {
		r, ok := ParseARN(arn)
		if !ok {
			return
		}
		// A rule of the default bus has two spellings.
		if again := r.ARN(); again != arn && strings.Replace(again, "rule/", "rule/default/", 1) != arn {
			t.Fatal(arn, r, again)
		}
	})
}

func TestKindsAreChecked(t *testing.T) {
	t.Parallel()
	type low struct {
		Meta
		A int `cbor:"6,keyasint"`
	}
	type twice struct {
		Meta
		A int `cbor:"10,keyasint"`
		B int `cbor:"10,keyasint"`
	}
	good := secrets
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for i, spoil := range []func(*Kind[secret]){
		func(k *Kind[secret]) { k.Tag = 0 },
		func(k *Kind[secret]) { k.Name = "" },
		func(k *Kind[secret]) { k.Version = 0 },
		func(k *Kind[secret]) { k.Meta = nil },
		func(k *Kind[secret]) { k.Clone = nil },
		func(k *Kind[secret]) { k.Place = func(*secret) {} },
		func(k *Kind[secret]) { k.Partition = func(*secret) uint32 { return 0 } },
	} {
		k := secrets
		spoil(&k)
		if k.check() == nil {
			t.Errorf("%d passes", i)
		}
	}
	if k := (Kind[low]{Tag: 9, Name: "low", Version: 1, Meta: func(l *low) *Meta { return &l.Meta }, Clone: func(l *low) *low { return l }}); k.check() == nil {
		t.Error("a number of Meta's")
	}
	if k := (Kind[twice]{Tag: 9, Name: "twice", Version: 1, Meta: func(l *twice) *Meta { return &l.Meta }, Clone: func(l *twice) *twice { return l }}); k.check() == nil {
		t.Error("a number twice")
	}
	r, err := New(Config{Log: noLog{}, Marks: noBucket{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "taken") {
			t.Error("a tag was given twice", v)
		}
	}()
	Add(r, secrets)
}
