package bench

import (
	"encoding/json"
	"testing"
)

func TestScanMessages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     []message
		bad      bool
	}{
		{"none", `{}`, nil, false},
		{"empty list", `{"Messages":[]}`, nil, false},
		{"null", `{"Messages": null}`, nil, false},
		{"two", `{"Messages":[{"Body":"b1","ReceiptHandle":"r1"},{"ReceiptHandle":"r2","Body":"b2"}]}`,
			[]message{{[]byte("r1"), []byte("b1")}, {[]byte("r2"), []byte("b2")}}, false},
		{"spaces and other members", "{\n \"X\": [1, {\"Body\": \"no\"}], \"Messages\" : [ { \"Attributes\" : {\"Body\":\"no\"}, \"Body\" : \"a\\\"b\\\\\" , \"ReceiptHandle\":\"r\" } ] }",
			[]message{{[]byte("r"), []byte(`a\"b\\`)}}, false},
		{"truncated", `{"Messages":[{"Body":"b1","Rece`, nil, true},
		{"not an object", `[]`, nil, true},
		{"nothing", ``, nil, true},
		{"list of numbers", `{"Messages":[1]}`, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := scanMessages(nil, []byte(tt.in))
			if (err != nil) != tt.bad {
				t.Fatalf("error %v, want one: %v", err, tt.bad)
			}
			if tt.bad {
				return
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %d messages, want %d", len(got), len(tt.want))
			}
			for i := range got {
				if string(got[i].body) != string(tt.want[i].body) || string(got[i].receipt) != string(tt.want[i].receipt) {
					t.Errorf("message %d: %q %q", i, got[i].receipt, got[i].body)
				}
			}
		})
	}
}

func TestScanErrorsAndFailures(t *testing.T) {
	t.Parallel()
	if got := scanErrorType([]byte(`{"message":"x","__type":"com.amazonaws.sqs#QueueDoesNotExist"}`)); got != "QueueDoesNotExist" {
		t.Errorf("code %q", got)
	}
	if got := scanErrorType([]byte(`<html>`)); got != "" {
		t.Errorf("code %q of HTML", got)
	}
	n, code, err := scanFailed([]byte(`{"Successful":[{"Id":"0"}],"Failed":[{"Id":"1","Code":"A"},{"Code":"B"}]}`))
	if n != 2 || code != "A" || err != nil {
		t.Errorf("%d failed, code %q, %v", n, code, err)
	}
}

// FuzzScan checks that the scanner finds in valid JSON what encoding/json finds
// and survives everything else.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{"Messages":[{"Body":"b1","ReceiptHandle":"r1"}]}`, `{"Messages":null}`, `{"Failed":[{"Code":"x"}]}`,
		`{"__type":"a#b"}`, `{"a":[[[[1,2.5e7,true]]]],"b":{"c":"\\\""}}`, `{`, `"`, `{"Messages":[{"Body":"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := scanMessages(nil, in)
		scanErrorType(in)
		scanFailed(in)
		var want struct {
			Messages []struct{ Body, ReceiptHandle *string }
		}
		d := map[string]json.RawMessage{}
		if json.Unmarshal(in, &d) != nil || json.Unmarshal(in, &want) != nil || len(d) != 1 || d["Messages"] == nil || err != nil {
			return
		}
		if len(got) != len(want.Messages) {
			t.Fatalf("found %d messages, want %d in %q", len(got), len(want.Messages), in)
		}
	})
}

// FuzzAnswer feeds arbitrary bytes to the reader of HTTP answers.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nTrailer: 1\r\n\r\n",
		"HTTP/1.0 503 No\r\nConnection: close\r\n\r\nrest", "HTTP/1.1 2x0 OK\r\n\r\n", "",
		"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c := readerOf(in)
		status, _, err := c.read()
		if err == nil && (status < 0 || status > 999 || len(c.answer) > maxAnswer) {
			t.Fatalf("status %d, %d bytes", status, len(c.answer))
		}
	})
}
