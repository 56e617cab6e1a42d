package protocol

import (
	"bufio"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// FuzzHandler sends whatever net/http takes for a request: every one gets one
// well-formed answer, and nothing fails inside.
func FuzzHandler(f *testing.F) {
	f.Add("POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: AmazonSQS.SendMessage\r\nContent-Length: 16\r\n\r\n{\"QueueUrl\":\"q\"}")
	f.Add("GET /1/q?Action=ReceiveMessage&MaxNumberOfMessages=3&AttributeName.1=%C3%A4 HTTP/1.1\r\nHost: h\r\n\r\n")
	f.Add("POST /1/q HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n12\r\nAction=SendMessage\r\n0\r\n\r\n")
	f.Add("HEAD * HTTP/1.1\r\nHost: h\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/b/c/sns/d\r\n\r\n")
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil || strings.Contains(raw, "panic") || strings.Contains(raw, "broken") {
			return
		}
		fx := newFixture(t, nil)
		w := httptest.NewRecorder()
		fx.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError || fx.log.Len() > 0 {
			t.Fatalf("%d %s, log %s", w.Code, w.Body, fx.log)
		}
		n, err := strconv.Atoi(w.Header().Get("Content-Length"))
		if err != nil || r.Method != http.MethodHead && n != w.Body.Len() {
			t.Fatalf("Content-Length %d of %d, %v", n, w.Body.Len(), err)
		}
		if r.Method == http.MethodHead {
			return
		}
		if w.Header().Get("Content-Type") == "text/xml" {
			if err := xml.Unmarshal(w.Body.Bytes(), new(struct{})); err != nil {
				t.Fatalf("%v in %s", err, w.Body)
			}
		} else if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("no JSON: %s", w.Body)
		}
	})
}
