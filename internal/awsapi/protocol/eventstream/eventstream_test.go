package eventstream

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

var all = Message{
	Headers: []Header{
		{MessageType, "event"}, {"yes", true}, {"no", false}, {"byte", int8(-7)}, {"short", int16(-300)},
		{"int", int32(-70000)}, {"long", int64(-1 << 40)}, {"blob", []byte{0, 1}}, {"text", "ä"},
		{"time", time.UnixMilli(1772366400250).UTC()}, {"id", UUID{1, 2, 15: 9}},
	},
	Payload: []byte(`{"a":1}`),
}

// TestKnownBytes holds the framing against messages written out by hand from the
// format's definition.
func TestKnownBytes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		m    Message
		want string
	}{
		{Message{}, "00000010 00000000 05c248eb 7d98c8ff"},
		{Message{Payload: []byte("{'foo':'bar'}")}, "0000001d 00000000 fd528c5a 7b27666f6f273a27626172277d c3653936"},
		{Message{Headers: []Header{{"content-type", "application/json"}}, Payload: []byte("{'foo':'bar'}")},
			"0000003d 00000020 07fd8396 0c636f6e74656e742d74797065 07 0010 6170706c69636174696f6e2f6a736f6e 7b27666f6f273a27626172277d 8d9c08b1"},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(tt.want, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Append(nil, &tt.m)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("got  %x, %v\nwant %x", got, err, want)
		}
	}
}

func TestThereAndBack(t *testing.T) {
	t.Parallel()
	b, err := Append([]byte("before"), &all)
	if err != nil || string(b[:6]) != "before" {
		t.Fatal(err)
	}
	b = b[6:]
	two, err := Append(bytes.Clone(b), &Message{})
	if err != nil {
		t.Fatal(err)
	}
	got, rest, err := Decode(two)
	if err != nil || !reflect.DeepEqual(got, all) {
		t.Fatalf("got  %+v, %v\nwant %+v", got, err, all)
	}
	if got, rest, err = Decode(rest); err != nil || len(got.Headers) > 0 || len(got.Payload) > 0 || len(rest) > 0 {
		t.Fatalf("got %+v, %x, %v, want an empty message", got, rest, err)
	}
	r := NewReader(iotest.OneByteReader(bytes.NewReader(two)), 0)
	if got, err := r.Next(); err != nil || !reflect.DeepEqual(got, all) {
		t.Fatalf("got %+v, %v", got, err)
	}
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatalf("got %v, want io.EOF", err)
	}
	if all.Text("text") != "ä" || all.Text("byte") != "" || all.Text("none") != "" {
		t.Error("Text gives other values")
	}
}

// TestSDK reads with the SDK's decoder what is written here, and the other way.
func TestSDK(t *testing.T) {
	t.Parallel()
	b, err := Append(nil, &all)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := sdk.NewDecoder().Decode(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(theirs.Headers) != len(all.Headers) || string(theirs.Payload) != string(all.Payload) || theirs.Headers.Get("text").String() != "ä" {
		t.Fatalf("the SDK has %+v", theirs)
	}
	var back bytes.Buffer
	if err := sdk.NewEncoder().Encode(&back, theirs); err != nil {
		t.Fatal(err)
	}
	got, err := NewReader(&back, 0).Next()
	if err != nil || !reflect.DeepEqual(got, all) {
		t.Fatalf("got  %+v, %v\nwant %+v", got, err, all)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	good, err := Append(nil, &all)
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	resum := func(b []byte) {
		binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
		binary.BigEndian.PutUint32(b[len(b)-4:], crc32.ChecksumIEEE(b[:len(b)-4]))
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want error
	}{
		{"prelude", change(func(b []byte) { b[8]++ }), ErrChecksum},
		{"message", change(func(b []byte) { b[40]++ }), ErrChecksum},
		{"cut", good[:len(good)-1], ErrTruncated},
		{"cut in the prelude", good[:5], ErrTruncated},
		{"too short a length", change(func(b []byte) { binary.BigEndian.PutUint32(b, 15); resum(b) }), ErrLength},
		{"too long a length", change(func(b []byte) { binary.BigEndian.PutUint32(b, 1<<31); resum(b) }), ErrLength},
		{"more headers than message", change(func(b []byte) { binary.BigEndian.PutUint32(b[4:], uint32(len(b))); resum(b) }), ErrLength},
		{"type of a header", change(func(b []byte) { b[12+1+len(MessageType)] = 10; resum(b) }), ErrHeader},
		{"no name", change(func(b []byte) { b[12] = 0; resum(b) }), ErrHeader},
		{"header cut", change(func(b []byte) { binary.BigEndian.PutUint32(b[4:], 30); resum(b) }), ErrHeader},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := Decode(tt.b); !errors.Is(err, tt.want) {
				t.Errorf("Decode: %v, want %v", err, tt.want)
			}
			if _, err := NewReader(bytes.NewReader(tt.b), 0).Next(); !errors.Is(err, tt.want) {
				t.Errorf("Next: %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := NewReader(bytes.NewReader(good), len(good)-1).Next(); !errors.Is(err, ErrLength) {
		t.Errorf("over the reader's bound: %v", err)
	}
	for _, h := range []Header{{"", true}, {strings.Repeat("a", 256), true}, {"a", 7}, {"a", strings.Repeat("a", maxValue+1)}} {
		if b, err := Append([]byte("x"), &Message{Headers: []Header{h}}); !errors.Is(err, ErrHeader) || string(b) != "x" {
			t.Errorf("header %.20v: %v", h, err)
		}
	}
	if _, err := Append(nil, &Message{Payload: make([]byte, MaxPayload+1)}); !errors.Is(err, ErrLength) {
		t.Errorf("too long a payload: %v", err)
	}
}

// FuzzDecode: what is accepted comes out the same when it is written again.
func FuzzDecode(f *testing.F) {
	b, err := Append(nil, &all)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[12 : len(b)-4-len(all.Payload)])
	f.Fuzz(func(t *testing.T, headers []byte) {
		// Checksums are put right, else nothing would get past them.
		message := make([]byte, 12, 16+len(headers))
		binary.BigEndian.PutUint32(message, uint32(16+len(headers)))
		binary.BigEndian.PutUint32(message[4:], uint32(len(headers)))
		binary.BigEndian.PutUint32(message[8:], crc32.ChecksumIEEE(message[:8]))
		message = append(message, headers...)
		message = binary.BigEndian.AppendUint32(message, crc32.ChecksumIEEE(message))
		m, rest, err := Decode(message)
		if err != nil {
			return
		}
		again, err := Append(nil, &m)
		if err != nil || !bytes.Equal(again, message) || len(rest) > 0 {
			t.Fatalf("%x came back as %x, %v", message, again, err)
		}
	})
}
