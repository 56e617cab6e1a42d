package topic

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition"
)

func sample() notification {
	return notification{
		slot: partition.MessageID{1}, sequence: 7, kind: kindNotification, signature: 2, id: partition.MessageID{2}, time: 1_700_000_000_123,
		topic: "arn:aws:sns:r:a:t", subject: "s", dedup: "d", trace: "tr", token: "to",
		attributes: []partition.Attribute{{Name: "a", Type: "String", Value: "v"}, {Name: "b", Type: "Binary", Binary: []byte{0}}},
		message:    "the message",
	}
}

func TestNotificationRoundTrip(t *testing.T) {
	t.Parallel()
	n := sample()
	b := n.encode()
	got, err := decodeNotification(b)
	if err != nil || !reflect.DeepEqual(*got, n) {
		t.Fatalf("%+v, %v", got, err)
	}
	if binary.BigEndian.Uint64(b[partition.PayloadSequence:]) != 7 || b[partition.PayloadID] != 1 {
		t.Error("what partitions write stands elsewhere")
	}
	for i := range len(b) - len(n.message) {
		if _, err := decodeNotification(b[:i]); err == nil {
			t.Fatalf("cut at %d it is taken", i)
		}
	}
	newer := bytes.Clone(b)
	newer[partition.PayloadRest]++
	if _, err := decodeNotification(newer); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a newer version: %v", err)
	}
}

func FuzzNotification(f *testing.F) {
	n := sample()
	f.Add(n.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := decodeNotification(b)
		if err != nil {
			return
		}
		again, err := decodeNotification(n.encode())
		if err != nil || !reflect.DeepEqual(again, n) {
			t.Errorf("%+v is read again as %+v, %v", n, again, err)
		}
	})
}

// An envelope is JSON of what was published, whatever that is.
func FuzzEnvelope(f *testing.F) {
	f.Add("message", "subject", "name", "value")
	f.Add("\x00\xff\u2028\"\\", "\n", "}", "]")
	f.Fuzz(func(t *testing.T, message, subject, name, value string) {
		e := &Envelopes{}
		n := sample()
		n.signature, n.message, n.subject = 0, message, subject
		n.attributes = []partition.Attribute{{Name: name, Type: "String", Value: value}}
		text, err := e.envelope(&n, "id", "http://h")
		var got struct {
			Message, Subject  string
			MessageAttributes map[string]struct{ Value string }
		}
		if err != nil || json.Unmarshal([]byte(text), &got) != nil {
			t.Fatalf("%s, %v", text, err)
		}
		valid := func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
		if len(got.Message) < len(valid(message)) || valid(message) == message && got.Message != message || valid(subject) == subject && got.Subject != subject {
			t.Errorf("%+v", got)
		}
		if valid(name) == name && valid(value) == value && got.MessageAttributes[name].Value != value {
			t.Errorf("%+v", got)
		}
	})
}

func TestTokens(t *testing.T) {
	t.Parallel()
	const id = "01234567-89ab-8def-8123-456789abcdef"
	secret, now := []byte("secret"), time.Unix(1_700_000_000, 0)
	token := newToken(secret, id, 5, 9, now)
	if got, mark, ok := openToken(secret, token, 9, now); !ok || got != id || mark != 5 {
		t.Errorf("%s, %d, %v", got, mark, ok)
	}
	if _, _, ok := openToken(secret, token, 8, now); ok {
		t.Error("good for another topic")
	}
	if _, _, ok := openToken([]byte("other"), token, 9, now); ok {
		t.Error("good with another secret")
	}
	if _, _, ok := openToken(secret, token, 9, now.Add(time.Second)); ok {
		t.Error("good when its time is over")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		b := []byte(token)
		b[r.IntN(len(b))] ^= 1 << r.IntN(7)
		if _, _, ok := openToken(secret, string(b), 9, now); ok && !strings.EqualFold(string(b), token) {
			t.Fatalf("%s is good", b)
		}
	}
}

func FuzzTokens(f *testing.F) {
	f.Add(newToken([]byte("s"), "01234567-89ab-8def-8123-456789abcdef", 5, 9, time.Unix(2_000_000_000, 0)))
	f.Fuzz(func(t *testing.T, token string) {
		id, mark, ok := openToken([]byte("s"), token, 9, time.Unix(0, 0))
		if ok && (id != "01234567-89ab-8def-8123-456789abcdef" || mark != 5) {
			t.Errorf("%q was made up", token)
		}
	})
}

// Signatures are remembered for the messages signed last.
func TestSignaturesAreRemembered(t *testing.T) {
	t.Parallel()
	made, err := newSigningKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s, err := signerOf(made)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	text := func() []byte { asked++; return []byte("text") }
	id := func(n int) (id partition.MessageID) { binary.BigEndian.PutUint32(id[:], uint32(n)); return id }
	for range 3 {
		if _, err := s.signOnce(2, id(1), text); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("signed %d times", asked)
	}
	for n := range 3 * maxSigned {
		s.mu.Lock()
		s.remember(signed{id(n + 2), 2}, "x")
		s.mu.Unlock()
	}
	if len(s.now)+len(s.before) > 2*maxSigned {
		t.Errorf("%d and %d are remembered", len(s.now), len(s.before))
	}
	if _, err := s.signOnce(2, id(1), text); err != nil || asked != 2 {
		t.Errorf("signed %d times, %v", asked, err)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	const id = "01234567-89ab-8def-8123-456789abcdef"
	for _, isRaw := range []bool{true, false} {
		text := referenceOf(id, isRaw)
		if got, how, err := readReference(text); err != nil || got != id || how != isRaw || len(text) != 23 {
			t.Errorf("%q: %s, %v, %v", text, got, how, err)
		}
		for _, wrong := range []string{"", text[1:], text[:1], text[:22], text + "AA", "x" + text[1:], text[:22] + "="} {
			if got, _, err := readReference(wrong); err == nil {
				t.Errorf("%q is read as %s", wrong, got)
			}
		}
	}
}
