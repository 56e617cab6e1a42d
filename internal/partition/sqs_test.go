package partition

import (
	"reflect"
	"testing"
)

func TestPayloadReadsAsWritten(t *testing.T) {
	t.Parallel()
	m := fifoMessage("", "dedup", "the body")
	m.Attributes = []Attribute{{Name: "n", Type: "Number", Value: "1"}, {Name: "b", Type: "Binary", Binary: []byte{0, 1}}}
	m.SenderID, m.TraceHeader = "me", "Root=1"
	got, err := decodePayload(encodePayload(nil, &m))
	got.Delay = -1
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("payload read as %+v, %v; want %+v", got, err, m)
	}
}

func FuzzPayload(f *testing.F) {
	m := message("the body")
	f.Add(encodePayload(nil, &m))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodePayload(b); err == nil {
			if again, err := decodePayload(encodePayload(nil, &m)); err != nil || !reflect.DeepEqual(again, m) {
				t.Errorf("%+v came back as %+v, %v", m, again, err)
			}
		}
	})
}

func FuzzReceipts(f *testing.F) {
	s := newReceiptSigner([]byte("secret"))
	f.Add(s.sign(1, 2, 3))
	f.Add("")
	f.Fuzz(func(t *testing.T, handle string) {
		if key, receives, err := s.open(1, handle); err == nil && s.sign(1, key, receives) != handle {
			t.Errorf("%q was accepted and is not what is signed", handle)
		}
	})
}
