package bus

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestChunks(t *testing.T) {
	t.Parallel()
	random := make([]byte, 3000)
	for i := range random {
		random[i] = byte(rand.Uint32()) // it gets no smaller
	}
	for name, list := range map[string][]archivedEvent{
		"none":   nil,
		"one":    {{at: 5, trace: "t", text: []byte(`{"version":"0","detail-type":",\"time\":\"x","time":"2026-01-02T03:04:05Z","detail":{}}`)}},
		"random": {{at: -1, text: random}},
		"many":   {{at: 1, text: []byte(strings.Repeat("a", 10_000))}, {at: 9, trace: "x", text: []byte{}}, {at: 3, text: []byte("b")}},
	} {
		payload, s := encodeChunk(list)
		got, err := decodeChunk(payload)
		if err != nil || !reflect.DeepEqual(got, list) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if back, ok := parseSpan(s.reference()); !ok || back != s || s.events != int64(len(list)) {
			t.Errorf("%s: %+v, %v, want %+v", name, back, ok, s)
		}
		switch {
		case name == "one" && (s.first != 1767323045000 || s.last != s.first || s.newest != 5):
			t.Errorf("%s: %+v", name, s)
		case name == "many" && (s.newest != 9 || s.bytes != 10_001 || len(payload) > 500):
			t.Errorf("%s: %+v in %d bytes", name, s, len(payload))
		}
		for n := range max(len(payload)-8, 0) { // flate does without the last of its bytes
			if _, err := decodeChunk(payload[:n]); err == nil {
				t.Errorf("%s: %d of %d bytes are read", name, n, len(payload))
			}
		}
	}
	if _, ok := parseSpan("1 2 3"); ok {
		t.Error("a reference that is cut short is read")
	}
	tl := tally{-3, 1 << 40}
	if got, err := decodeTally(tl.encode()); err != nil || got != tl {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzChunk(f *testing.F) {
	payload, _ := encodeChunk([]archivedEvent{{at: 1, trace: "t", text: []byte(strings.Repeat("a", 100))}})
	f.Add(payload)
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeChunk(b)
		if err != nil {
			return
		}
		again, _ := encodeChunk(list)
		if got, err := decodeChunk(again); err != nil || len(got) != len(list) {
			t.Errorf("%d events, %v, want %d", len(got), err, len(list))
		}
	})
}
