//go:build linux

package hostile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const mib = 1 << 20

// attack is one request that nobody signed.
type attack struct {
	head string // header lines, each with its end
	body []byte
}

func jsonHead(operation string) string {
	return "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS." + operation + "\r\n"
}

const formHead = "Content-Type: application/x-www-form-urlencoded\r\n"

// flood sends the same request over n connections at a time, all but its last byte,
// and when every connection has got rid of it or was refused, the last byte too. It
// gives the statuses of the answers; 0 is a connection that was cut.
func (v *victim) flood(t *testing.T, n int, a attack, chunked bool) map[int]int {
	t.Helper()
	length := fmt.Sprintf("Content-Length: %d\r\n", len(a.body))
	if chunked {
		length = "Transfer-Encoding: chunked\r\n"
	}
	head := "POST / HTTP/1.1\r\nHost: " + v.Addr() + "\r\n" + a.head + length + "\r\n"
	var sent, done sync.WaitGroup
	sent.Add(n)
	var mu sync.Mutex // guards answers
	answers := map[int]int{}
	for range n {
		c := v.dial(t)
		done.Go(func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			first, last := a.body[:len(a.body)-1], a.body[len(a.body)-1:]
			go func() {
				_, err := io.WriteString(c, head)
				for rest := first; err == nil && len(rest) > 0; {
					piece := rest[:min(len(rest), 64<<10)]
					rest = rest[len(piece):]
					err = write(c, piece, chunked)
				}
				sent.Done()
				if err != nil {
					return
				}
				sent.Wait()
				if write(c, last, chunked) == nil && chunked {
					_, _ = io.WriteString(c, "0\r\n\r\n")
				}
			}()
			status := 0
			if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
				status = resp.StatusCode
				resp.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			answers[status]++
		})
	}
	done.Wait()
	return answers
}

func write(w io.Writer, piece []byte, chunked bool) (err error) {
	if chunked {
		_, err = fmt.Fprintf(w, "%x\r\n%s\r\n", len(piece), piece)
	} else {
		_, err = w.Write(piece)
	}
	return err
}

// large is a body of 4 MiB, of which most is one value.
func large(before, after string) []byte {
	return []byte(before + strings.Repeat("x", 4*mib-len(before)-len(after)) + after)
}

// TestFlood: bodies of 4 MiB that nobody signed, over hundreds of connections, for an
// operation that a queue's policy may open to anyone, so that they cannot be refused
// by their header.
func TestFlood(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		n       int
		a       attack
		chunked bool
		limit   int64
	}{
		{"JSON, 100 connections", 100, attack{jsonHead("SendMessage"), large(`{"MessageBody":"`, `"}`)}, false, 150 * mib},
		{"JSON, 1,000 connections", 1000, attack{jsonHead("SendMessage"), large(`{"MessageBody":"`, `"}`)}, false, 300 * mib},
		{"JSON, length unknown", 200, attack{jsonHead("SendMessage"), large(`{"MessageBody":"`, `"}`)}, true, 200 * mib},
		{"form", 200, attack{formHead, large("Action=SendMessage&MessageBody=", "")}, false, 200 * mib},
		{"form, length unknown", 200, attack{formHead, large("Action=SendMessage&MessageBody=", "")}, true, 200 * mib},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := start(t)
			answers := v.flood(t, tt.n, tt.a, tt.chunked)
			t.Logf("answers: %v", answers)
			if answers[http.StatusOK] > 0 {
				t.Error("an unsigned request was accepted")
			}
			v.send(t)
			v.staysBelow(t, tt.limit)
		})
	}
}

// TestFloodDuring: a client with a key is served while the flood goes on.
func TestFloodDuring(t *testing.T) {
	t.Parallel()
	v := start(t)
	over := make(chan struct{})
	go func() {
		defer close(over)
		v.flood(t, 300, attack{jsonHead("SendMessage"), large(`{"MessageBody":"`, `"}`)}, false)
	}()
	for served := 0; ; served++ {
		v.send(t)
		select {
		case <-over:
			t.Logf("%d messages were sent meanwhile", served)
			v.staysBelow(t, 200*mib)
			return
		default:
		}
	}
}

// TestDecode: bodies that would become much larger when they are decoded.
func TestDecode(t *testing.T) {
	t.Parallel()
	repeat := func(before, each, after string) []byte {
		return []byte(before + strings.Repeat(each, (4*mib-len(before)-len(after))/len(each)) + after)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	for range 64 {
		if _, err := z.Write(make([]byte, mib)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var form strings.Builder
	form.WriteString("Action=SendMessageBatch")
	for i := 0; form.Len() < 4*mib-64; i++ {
		fmt.Fprintf(&form, "&SendMessageBatchRequestEntry.%d.Id=x", i)
	}
	for _, tt := range []struct {
		name  string
		n     int
		a     attack
		limit int64
	}{
		{"six batches of empty entries", 6, attack{jsonHead("SendMessageBatch"), repeat(`{"Entries":[{}`, `,{}`, `]}`)}, 100 * mib},
		{"many batches of empty entries", 200, attack{jsonHead("SendMessageBatch"), repeat(`{"Entries":[{}`, `,{}`, `]}`)}, 200 * mib},
		{"small ones", 1000, attack{jsonHead("SendMessageBatch"), []byte(`{"Entries":[{}` + strings.Repeat(`,{}`, 15_000) + `]}`)}, 300 * mib},
		{"maps", 100, attack{jsonHead("SendMessage"), repeat(`{"MessageAttributes":{"a":{}`, `,"":{}`, `}}`)}, 150 * mib},
		{"lists of lists", 100, attack{jsonHead("SendMessageBatch"), repeat(`{"Entries":`, `[`, ``)}, 150 * mib},
		{"form of many parameters", 100, attack{formHead, []byte(form.String())}, 150 * mib},
		{"form of one name", 100, attack{formHead, repeat("Action=SendMessage&", "a.", "=x")}, 150 * mib},
		{"gzip", 100, attack{jsonHead("SendMessage") + "Content-Encoding: gzip\r\n", zipped.Bytes()}, 150 * mib},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := start(t)
			answers := v.flood(t, tt.n, tt.a, false)
			t.Logf("answers: %v", answers)
			if answers[http.StatusOK] > 0 || answers[http.StatusInternalServerError] > 0 {
				t.Errorf("answers %v", answers)
			}
			v.send(t)
			v.staysBelow(t, tt.limit)
		})
	}
}

// TestFloodHTTP2: the same over few connections, each with as many requests as it
// may have.
func TestFloodHTTP2(t *testing.T) {
	t.Parallel()
	v := start(t)
	body := large(`{"MessageBody":"`, `"}`)
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	var all sync.WaitGroup
	for range 4 {
		tr := &http.Transport{Protocols: &p}
		t.Cleanup(tr.CloseIdleConnections)
		client := &http.Client{Transport: tr, Timeout: time.Minute}
		for range 100 {
			all.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.URL(), bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Content-Type", "application/x-amz-json-1.0")
				r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
				resp, err := client.Do(r)
				if err != nil {
					return // cut off: fine
				}
				defer resp.Body.Close()
				if resp.StatusCode == http.StatusOK || resp.ProtoMajor != 2 {
					t.Errorf("%s %s", resp.Proto, resp.Status)
				}
			})
		}
	}
	all.Wait()
	v.send(t)
	v.staysBelow(t, 300*mib)
}
