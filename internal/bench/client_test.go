package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func readerOf(in []byte) *conn {
	return &conn{in: bufio.NewReaderSize(bytes.NewReader(in), 4096)}
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		status   int
		keep     bool
		body     string
		bad      bool
	}{
		{"length", "HTTP/1.1 200 OK\r\ncontent-LENGTH: 2\r\n\r\n{}", 200, true, "{}", false},
		{"empty", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, true, "", false},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 200, true, "{}", false},
		{"trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n\r\n", 200, true, "{}", false},
		{"close", "HTTP/1.1 400 Bad\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx", 400, false, "x", false},
		{"to the end", "HTTP/1.1 500 Oops\r\n\r\nall of it", 500, false, "all of it", false},
		{"old", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, false, "x", false},
		{"torn", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", 0, false, "", true},
		{"torn head", "HTTP/1.1 200 OK\r\nContent-", 0, false, "", true},
		{"not HTTP", "SSH-2.0-OpenSSH_9.9\r\n", 0, false, "", true},
		{"too large", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", 0, false, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := readerOf([]byte(tt.in))
			status, keep, err := c.read()
			if (err != nil) != tt.bad {
				t.Fatalf("error %v, want one: %v", err, tt.bad)
			}
			if !tt.bad && (status != tt.status || keep != tt.keep || string(c.answer) != tt.body) {
				t.Errorf("got %d %v %q", status, keep, c.answer)
			}
		})
	}
}

func TestDoReconnects(t *testing.T) {
	t.Parallel()
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.Header().Set("Connection", "close")
		w.Write([]byte("{}"))
	}))
	defer server.Close()
	c := openTo(t, server.URL)
	defer c.close()
	for range 3 {
		if status, body, err := c.do(context.Background(), "ListQueues", []byte("{}"), 0); err != nil || status != 200 || string(body) != "{}" {
			t.Fatalf("%d %q %v", status, body, err)
		}
	}
	if calls != 3 {
		t.Errorf("%d calls", calls)
	}
}

func TestDoIsBrokenOffByContext(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
	}))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-arrived; cancel() }()
	c := openTo(t, server.URL)
	if _, _, err := c.do(ctx, "ReceiveMessage", []byte("{}"), time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestEndpointURLs(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"http://localhost:4566":               "localhost:4566 localhost:4566",
		"http://localhost":                    "localhost localhost:80",
		"https://sqs.us-east-1.amazonaws.com": "sqs.us-east-1.amazonaws.com sqs.us-east-1.amazonaws.com:443",
		"http://[::1]:80/":                    "[::1] [::1]:80",
		"localhost:4566":                      "",
		"ftp://x":                             "",
		"":                                    "",
	} {
		got := ""
		if e, err := newEndpoint(raw, Credentials{}); err == nil {
			got = e.host + " " + e.address
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}

func TestErrorCodes(t *testing.T) {
	t.Parallel()
	if got := errorCode(400, []byte(`{"__type":"x#OverLimit"}`), nil); got != "OverLimit" {
		t.Error(got)
	}
	if got := errorCode(502, []byte(`<html>`), nil); got != "HTTP 502" {
		t.Error(got)
	}
	if got := errorCode(0, nil, errors.New("dial")); !strings.HasPrefix(got, "connection") {
		t.Error(got)
	}
}

func openTo(t *testing.T, url string) *conn {
	t.Helper()
	ep, err := newEndpoint(url, Credentials{Key: "k", Secret: "s", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return ep.open()
}
