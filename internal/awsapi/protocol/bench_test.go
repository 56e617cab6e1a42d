package protocol

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// sendBody is a SendMessage of 1 KiB: plain text, or JSON inside JSON.
func sendBody(t testing.TB, quoted bool) []byte {
	t.Helper()
	text := strings.Repeat("abcdefgh", 128)
	if quoted {
		text = strings.Repeat(`{"id": 7}, `, 93)
	}
	b, err := json.Marshal(map[string]string{"QueueUrl": "http://127.0.0.1:4566/123456789012/orders", "MessageBody": text})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func BenchmarkDecode(b *testing.B) {
	for _, quoted := range []bool{false, true} {
		body := sendBody(b, quoted)
		name := map[bool]string{false: "plain", true: "quoted"}[quoted]
		p := planOf[sendIn](b)
		b.Run(name+"/ours", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				in := new(sendIn)
				if err := decodeJSON(body, p, reflect.ValueOf(in).Elem(), nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				in := new(sendIn)
				if err := json.Unmarshal(body, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	p := planOf[receiveOut](b)
	out := receiveOut{}
	for range 10 {
		out.Messages = append(out.Messages, message{MessageId: "5fea7756-0ea4-451a-a703-a558b933e274", Body: strings.Repeat("abcdefgh", 128), MD5OfBody: md5Hex("x")})
	}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		buf := []byte(nil)
		for b.Loop() {
			buf = appendJSON(buf[:0], p, reflect.ValueOf(&out).Elem())
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(&out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("xml", func(b *testing.B) {
		b.ReportAllocs()
		buf := []byte(nil)
		for b.Loop() {
			buf = appendXML(buf[:0], p, reflect.ValueOf(&out).Elem())
		}
	})
}

// sink is a ResponseWriter that forgets.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(status int) {
	if status != 200 {
		panic(status)
	}
}

// BenchmarkHandler is protocol and signature of one SendMessage of 1 KiB, without
// net/http around it.
func BenchmarkHandler(b *testing.B) {
	form := []byte("Action=SendMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2F127.0.0.1%3A4566%2F123456789012%2Forders&MessageBody=" + strings.Repeat("abcdefgh", 128))
	for _, bm := range []struct {
		name  string
		body  []byte
		json  bool
		keyed bool
	}{
		{"json-signed", sendBody(b, false), true, true},
		{"json-open", sendBody(b, false), true, false},
		{"query-signed", form, false, true},
	} {
		b.Run(bm.name, func(b *testing.B) {
			f := newFixture(b, func(c *Config) {
				c.Observe, c.NewRequestID = nil, nil
				if bm.keyed {
					c.Access = keyedAccess(b)
				}
				api := c.APIs[0]
				api.Operations[0] = Op("SendMessage", func(context.Context, *Call, *sendIn) (*sendOut, error) {
					return &sendOut{MessageId: "5fea7756-0ea4-451a-a703-a558b933e274", MD5OfMessageBody: "fafb00f5732ab283681e124bf8747ed1"}, nil
				})
			})
			r := httptest.NewRequest("POST", "http://127.0.0.1:4566/", bytes.NewReader(bm.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if bm.json {
				r.Header.Set("Content-Type", "application/x-amz-json-1.0")
				r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
			}
			r.Header.Set("Amz-Sdk-Invocation-Id", "11f9e3f6-7a26-4c1e-9d36-34da36b05c1d")
			r.Header.Set("Amz-Sdk-Request", "attempt=1; max=3")
			sum := sha256.Sum256(bm.body)
			if err := v4.NewSigner().SignHTTP(b.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret},
				r, hex.EncodeToString(sum[:]), "sqs", "eu-west-1", time.Now()); err != nil {
				b.Fatal(err)
			}
			rd := bytes.NewReader(bm.body)
			r.Body = io.NopCloser(rd)
			w := &sink{h: http.Header{}}
			b.ReportAllocs()
			b.SetBytes(int64(len(bm.body)))
			for b.Loop() {
				rd.Reset(bm.body)
				f.ServeHTTP(w, r)
			}
		})
	}
}
