package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pair is a connection between two ends, the first of them patient.
func pair(t *testing.T) (*patientConn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := newPatientConn(near)
	t.Cleanup(func() { c.Close(); far.Close() })
	return c, far
}

func TestPatientConnDeadlines(t *testing.T) {
	t.Parallel()
	past := time.Unix(1, 0)
	for _, size := range []int{1, 10} { // one byte has its grace first
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			c, far := pair(t)
			buf := make([]byte, size)
			read := func(want error) {
				t.Helper()
				n, err := c.Read(buf)
				if !errors.Is(err, want) || (n > 0) != (want == nil) {
					t.Errorf("%d bytes, %v; want %v", n, err, want)
				}
			}
			blocked := func(end func()) error {
				got := make(chan error)
				go func() {
					_, err := c.Read(buf)
					got <- err
				}()
				end()
				return <-got
			}
			// A deadline ends reads, also those that come later, until it is moved.
			c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			read(os.ErrDeadlineExceeded)
			read(os.ErrDeadlineExceeded)
			far.Write(make([]byte, size))
			c.SetReadDeadline(time.Time{})
			read(nil)
			// One that is moved away before it has passed does not count.
			c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			c.SetReadDeadline(time.Now().Add(time.Hour))
			go func() {
				time.Sleep(50 * time.Millisecond)
				far.Write(make([]byte, size))
			}()
			read(nil)
			// One that is set meanwhile ends a read, be it in its grace or in the system.
			for _, wait := range []time.Duration{0, 2 * readGrace} {
				c.SetReadDeadline(time.Time{})
				if err := blocked(func() { time.Sleep(wait); c.SetReadDeadline(past) }); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("ended after %v: %v", wait, err)
				}
				read(os.ErrDeadlineExceeded)
			}
			c.SetReadDeadline(time.Time{})
			if err := blocked(func() { time.Sleep(time.Millisecond); c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) }); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("moved near: %v", err)
			}
			c.SetReadDeadline(time.Time{})
			if err := blocked(func() { c.Close() }); !errors.Is(err, net.ErrClosed) {
				t.Errorf("closed: %v", err)
			}
		})
	}
}

// TestPatientConnGrace: what ends a read in its grace ends it at once and says what
// ended it, also when it came between the read's beginning and its grace.
func TestPatientConnGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := newPatientConn(near)
		got := make(chan error, 1)
		read := func() {
			go func() {
				_, err := c.Read(make([]byte, 1))
				got <- err
			}()
			synctest.Wait() // until it is in its grace
		}
		begun := time.Now() // of the bubble: nothing but a timer moves it

		read()
		c.SetReadDeadline(time.Unix(1, 0))
		if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a deadline: %v", err)
		}
		c.grace() // of a read that looked before the deadline was set
		c.SetReadDeadline(time.Time{})
		read()
		c.Close()
		if err := <-got; !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("closed: %v", err)
		}
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("waited for %v", waited)
		}
	})
}

func TestPatientConnWrite(t *testing.T) {
	t.Parallel()
	c, far := pair(t)
	c.SetWriteDeadline(time.Now().Add(30 * time.Millisecond))
	c.SetWriteDeadline(time.Now().Add(time.Hour))
	// More than the buffers of the system hold: it waits until the other end reads.
	const size = 32 << 20
	got := make(chan int64)
	go func() {
		time.Sleep(100 * time.Millisecond)
		n, _ := io.CopyN(io.Discard, far, size)
		got <- n
	}()
	if n, err := c.Write(make([]byte, size)); n != size || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if n := <-got; n != size {
		t.Fatalf("%d bytes arrived", n)
	}
	c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := c.Write(make([]byte, size)); n == size || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

// TestServerSeesClientsGo: the handler of a request whose client has gone is told,
// though net/http listens with patience.
func TestServerSeesClientsGo(t *testing.T) {
	t.Parallel()
	inside, gone := make(chan struct{}), make(chan struct{})
	s, stop := testServer(t, httpConfig{drainTimeout: time.Minute, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(inside)
		<-r.Context().Done()
		close(gone)
	})})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, urlOf(s.listener.Addr(), false), strings.NewReader("body"))
		if err == nil {
			_, _ = http.DefaultTransport.RoundTrip(r)
		}
	}()
	<-inside
	cancel()
	<-gone
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestServerPipelines: requests that come before the answer to the one before, and
// thousands on one connection, quick ones and slow ones.
func TestServerPipelines(t *testing.T) {
	t.Parallel()
	s, stop := testServer(t, httpConfig{drainTimeout: time.Minute, maxConnections: 100, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/slow" {
			time.Sleep(readGrace + time.Duration(len(b)%3)*time.Millisecond)
		}
		w.Write(b)
	})})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			c, err := net.Dial("tcp", s.listener.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			const n = 400
			go func() {
				for i := range n {
					path := "/"
					if i%40 == 0 {
						path = "/slow"
					}
					body := fmt.Sprint("request ", i)
					fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
				}
			}()
			rd := bufio.NewReader(c)
			for i := range n {
				resp, err := http.ReadResponse(rd, nil)
				if err != nil {
					t.Errorf("answer %d: %v", i, err)
					return
				}
				if b, _ := io.ReadAll(resp.Body); string(b) != fmt.Sprint("request ", i) {
					t.Errorf("answer %d is %q", i, b)
				}
			}
		})
	}
	clients.Wait()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
