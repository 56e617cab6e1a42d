package partition

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/registry"
)

func containsText(err error, text string) bool { return strings.Contains(err.Error(), text) }

// A handle is good for its queue and its secret only, and every bit of it counts.
func TestReceiptHandles(t *testing.T) {
	t.Parallel()
	s := newReceiptSigner([]byte("secret"))
	const id, key, receive = 1<<63 + 7, 1<<40 + 9, 1<<31 + 3
	h := s.sign(id, key, receive)
	for range 2 {
		if k, r, err := s.open(id, h); k != key || r != receive || err != nil {
			t.Errorf("opened as %d, %d, %v", k, r, err)
		}
	}
	if len(h) != 50 || s.sign(id, key, receive) != h {
		t.Errorf("%q", h)
	}
	raw, err := base64.RawURLEncoding.DecodeString(h)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{"short": h[:49], "long": h + "A", "no base64": "!" + h[1:], "empty": ""}
	for i := range raw {
		for _, bit := range []byte{1, 0x80} {
			raw[i] ^= bit
			bad["altered"] = base64.RawURLEncoding.EncodeToString(raw)
			raw[i] ^= bit
			for name, b := range bad {
				if k, r, err := s.open(id, b); !errors.Is(err, ErrReceiptInvalid) || k != 0 || r != 0 {
					t.Fatalf("%s, byte %d: %d, %d, %v", name, i, k, r, err)
				}
			}
		}
	}
	// The last character has four bits that stand for nothing: a handle is written one way.
	for _, last := range "BCDEFGHIJKLMNOPRSTUVWXYZabcdefhijklmnopqrstuvxyz0123456789-_" {
		other := h[:49] + string(last)
		if k, _, err := s.open(id, other); other != h && !errors.Is(err, ErrReceiptInvalid) {
			t.Errorf("%q is taken for %q: %d, %v", other, h, k, err)
		}
	}
	if _, _, err := s.open(id+1, h); !errors.Is(err, ErrReceiptInvalid) {
		t.Errorf("of another queue: %v", err)
	}
	if _, _, err := newReceiptSigner([]byte("another")).open(id, h); !errors.Is(err, ErrReceiptInvalid) {
		t.Errorf("by another secret: %v", err)
	}
}

// A payload that was cut, or is of another version, is refused.
func TestPayloadsAreRefused(t *testing.T) {
	t.Parallel()
	m := fifoMessage("", "dedup", "")
	m.Attributes = []Attribute{{Name: "n", Type: "Number", Value: "1"}, {Name: "b", Type: "Binary", Binary: []byte{}}}
	b := encodePayload(nil, &m)
	got, err := decodePayload(b)
	if err != nil || len(got.Attributes) != 2 || got.Attributes[0].Binary != nil || got.Attributes[1].Binary == nil {
		t.Errorf("read as %+v, %v", got, err)
	}
	for n := range b {
		if m, err := decodePayload(b[:n]); !errors.Is(err, errPayload) {
			t.Errorf("cut to %d of %d bytes: %+v, %v", n, len(b), m, err)
		}
	}
	if _, err := new(Service).decode(nil, "", ""); !errors.Is(err, errPayload) {
		t.Errorf("empty: %v", err)
	}
	newer := append([]byte{payloadVersion + 1}, b[1:]...)
	if _, err := decodePayload(newer); err == nil || errors.Is(err, errPayload) || !containsText(err, "version 2") {
		t.Errorf("of a newer release: %v", err)
	}
	plain := message("x")
	if got, err := decodePayload(encodePayload(nil, &plain)); err != nil || got.Attributes != nil {
		t.Errorf("without attributes: %+v, %v", got, err)
	}
}

// A service's payload is rendered only if it has all that each has, and by its own form.
func TestFormedPayloadsAreRefused(t *testing.T) {
	t.Parallel()
	s := &Service{cfg: Config{Renderers: map[byte]Renderer{FirstForm: func(r Rendering) (Message, error) {
		return Message{ID: MessageID(r.Payload[PayloadID:]), Body: string(r.Payload[PayloadRest:])}, nil
	}}}}
	b := append(make([]byte, PayloadRest), "text"...)
	b[0] = FirstForm
	if m, err := s.decode(b, "", ""); err != nil || m.Body != "text" {
		t.Errorf("%+v, %v", m, err)
	}
	for n := range PayloadRest {
		if m, err := s.decode(b[:n], "", ""); !errors.Is(err, errPayload) {
			t.Errorf("cut to %d bytes: %+v, %v", n, m, err)
		}
	}
	b[0]++
	if _, err := s.decode(b, "", ""); err == nil || errors.Is(err, errPayload) || !containsText(err, "form 17") {
		t.Errorf("of another form: %v", err)
	}
}

// Ids count within the message group where the queue says so, and names are no ids.
func TestDedupIDs(t *testing.T) {
	t.Parallel()
	of := func(scope, group, id string) [16]byte {
		return *QueueTarget(&registry.Queue{FIFO: true, DedupScope: scope}, group, id, MessageID{}).Dedup
	}
	if d := QueueTarget(&registry.Queue{FIFO: true}, "g", "", MessageID{}).Dedup; d != nil {
		t.Errorf("without an id: %v", d)
	}
	if d := QueueTarget(new(registry.Queue), "g", "x", MessageID{}).Dedup; d != nil {
		t.Errorf("of a standard queue: %v", d)
	}
	if of("", "a", "x") != of("", "b", "x") || of("queue", "a", "x") != of("", "a", "x") {
		t.Error("a group counts where it should not")
	}
	if of("messageGroup", "a", "x") == of("messageGroup", "b", "x") || of("messageGroup", "a", "x") == of("messageGroup", "a", "y") {
		t.Error("what is not the same is")
	}
	if of("messageGroup", "ab", "c") == of("messageGroup", "a", "bc") {
		t.Error("group and id run together")
	}
	if NameOf("x") == DedupOf("x") || NameOf("x") == NameOf("y") {
		t.Error("a name is an id")
	}
}
