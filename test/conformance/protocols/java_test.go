package protocols

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// kinesisHandler is the test's Kinesis alone.
func kinesisHandler(t *testing.T) http.Handler {
	t.Helper()
	open, err := access.New(access.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := protocol.NewHandler(protocol.Config{APIs: []*protocol.API{kinesis()}, Access: open})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestJavaRecorded: what the AWS SDK for Java 2.29.52 sends in CBOR, byte by byte,
// and answers that it was seen to read (java_live_test.go has it do so again).
func TestJavaRecorded(t *testing.T) {
	t.Parallel()
	h := kinesisHandler(t)
	for _, tt := range []struct {
		operation, body string
		status          int
		want            map[string]any
	}{
		{"GetRecords", "bf6d53686172644974657261746f726169654c696d697402ff", 200, map[string]any{
			"MillisBehindLatest": uint64(7), "NextShardIterator": "i+",
			"Records": []any{map[any]any{"Data": []byte("a\x00ä"), "PartitionKey": "k", "SequenceNumber": "1",
				"ApproximateArrivalTimestamp": at.UnixMilli()}},
		}},
		{"GetShardIterator", "bf6a53747265616d4e616d656173675368617264496461317153686172644974657261746f72547970656c41545f54494d455354414d50" +
			"6954696d657374616d70c11b0000019ca9450afaff", 200, map[string]any{"ShardIterator": "2026-03-01T12:00:00.25Z"}},
		{"PutRecord", "bf6a53747265616d4e616d65646e6f6e65644461746141786c506172746974696f6e4b6579616bff", 400, map[string]any{
			"__type": "ResourceNotFoundException", "message": "There is no stream none."}},
	} {
		t.Run(tt.operation, func(t *testing.T) {
			t.Parallel()
			body, err := hex.DecodeString(tt.body)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("POST", "http://127.0.0.1/", bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/x-amz-cbor-1.1")
			r.Header.Set("X-Amz-Target", "Kinesis_20131202."+tt.operation)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			var got map[string]any
			if err := cbor.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%v in %x", err, w.Body.Bytes())
			}
			if w.Code != tt.status || w.Header().Get("Content-Type") != "application/x-amz-cbor-1.1" || !reflect.DeepEqual(plain(got), plain(tt.want)) {
				t.Errorf("%d %v\n%#v\nwant %#v", w.Code, w.Header(), got, tt.want)
			}
		})
	}
}

// plain makes numbers of times: the library takes milliseconds for seconds.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Unix()
	case map[string]any:
		m := map[string]any{}
		for k, e := range v {
			m[k] = plain(e)
		}
		return m
	case map[any]any:
		m := map[any]any{}
		for k, e := range v {
			m[k] = plain(e)
		}
		return m
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}
