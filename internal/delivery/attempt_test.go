package delivery

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/partition"
)

func TestAttemptsCodec(t *testing.T) {
	t.Parallel()
	list := []Attempt{
		{Time: time.UnixMilli(1_700_000_000_123).UTC(), Duration: 15 * time.Millisecond, Message: "m-1", Number: 1, Status: 503, Class: Refused, Text: "busy\x00"},
		{Time: time.UnixMilli(0).UTC(), Number: 300, Class: Class(egress.TimedOut)},
	}
	b := []byte{attemptVersion}
	for i := range list {
		b = appendAttempt(b, &list[i])
	}
	got, err := readAttempts(b)
	if err != nil || !reflect.DeepEqual(got, list) {
		t.Errorf("%+v, %v", got, err)
	}
	for n := 1; n < len(b); n++ { // what is cut off is seen, unless between two attempts
		if got, err := readAttempts(b[:n]); err == nil && len(got) == len(list) {
			t.Errorf("the first %d bytes: %+v", n, got)
		}
	}
	if _, err := readAttempts([]byte{attemptVersion + 1}); err == nil || !strings.Contains(err.Error(), "this release reads up to") {
		t.Errorf("of a later version: %v", err)
	}
}

func TestUndeliveredCodec(t *testing.T) {
	t.Parallel()
	u := Undelivered{
		Message: "m", Time: time.UnixMilli(5).UTC(), Sent: time.UnixMilli(3).UTC(), Attempts: 4, Status: 500, Class: Refused, Text: "no",
		reference: "r", payload: []byte("payload"),
	}
	f := partition.Found{Key: 17, Name: partition.NameOf("n"), Payload: u.encode()}
	got, err := readUndelivered(&f)
	u.ID, u.name, u.key = "17", f.Name, 17
	if err != nil || !reflect.DeepEqual(*got, u) {
		t.Errorf("%+v, %v; want %+v", got, err, u)
	}
	f.Payload = f.Payload[:8]
	if _, err := readUndelivered(&f); err == nil {
		t.Error("what is cut off is read")
	}
}

func FuzzStored(f *testing.F) {
	a := Attempt{Message: "m", Class: Delivered, Text: "x"}
	f.Add(appendAttempt([]byte{attemptVersion}, &a))
	f.Add((&Undelivered{payload: []byte("p")}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if list, err := readAttempts(b); err == nil && len(list) > len(b)/7 {
			t.Errorf("%d attempts in %d bytes", len(list), len(b))
		}
		if u, err := readUndelivered(&partition.Found{Payload: b}); err == nil && len(u.payload) > len(b) {
			t.Error("more payload than there is")
		}
	})
}

func FuzzBeginning(f *testing.F) {
	f.Add([]byte("häuser"), 2)
	f.Add([]byte{0xff, 0xff, 0xff}, 2)
	f.Add([]byte("\xe2\x82\xac\xe2\x82"), 4)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 0 || n > 4096 {
			return
		}
		s := beginning(b, n)
		if len(s) > n || !utf8.ValidString(s) {
			t.Errorf("%q is %q", b, s)
		}
		if utf8.Valid(b) && !strings.HasPrefix(string(b), s) {
			t.Errorf("%q does not begin with %q", b, s)
		}
		if utf8.Valid(b) && len(b) <= n && s != string(b) {
			t.Errorf("%q is cut to %q", b, s)
		}
	})
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err       error
		class     Class
		permanent bool
	}{
		{&egress.Error{Kind: egress.TimedOut, Err: errors.New("x")}, "timeout", false},
		{&egress.Error{Kind: egress.Forbidden, Err: errors.New("x")}, "forbidden", false},
		{&egress.Error{Kind: egress.BadRequest, Err: errors.New("x")}, "bad request", true},
		{errors.New("x"), "broken", false},
	} {
		if c, p := classOf(tt.err); c != tt.class || p != tt.permanent {
			t.Errorf("%v: %s, %v", tt.err, c, p)
		}
	}
}
