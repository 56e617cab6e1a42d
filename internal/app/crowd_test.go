//go:build linux

package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// memoryConn is the server's end of a connection that takes no descriptor, so that
// there can be more of them than the system gives to a process. What the server
// writes is thrown away.
type memoryConn struct {
	from *net.TCPAddr
	once sync.Once // of answered
	all  *sync.WaitGroup

	mu       sync.Mutex // guards what follows
	wake     sync.Cond
	in       []byte
	closed   bool
	deadline time.Time
	timer    *time.Timer
}

func newMemoryConn(from *net.TCPAddr, all *sync.WaitGroup) *memoryConn {
	c := &memoryConn{from: from, all: all}
	c.wake.L = &c.mu
	all.Add(1)
	return c
}

// say has the client send text, and reports whether there is still a connection.
func (c *memoryConn) say(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = append(c.in, text...)
	c.wake.Broadcast()
	return !c.closed
}

// answered notes that the server wrote or closed.
func (c *memoryConn) answered() { c.once.Do(c.all.Done) }

// Read implements net.Conn.
func (c *memoryConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case len(c.in) > 0:
			n := copy(b, c.in)
			if c.in = c.in[n:]; len(c.in) == 0 {
				c.in = nil
			}
			return n, nil
		case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
			return 0, os.ErrDeadlineExceeded
		}
		c.wake.Wait()
	}
}

// Write implements net.Conn.
func (c *memoryConn) Write(b []byte) (int, error) {
	c.answered()
	return len(b), nil
}

// Close implements net.Conn.
func (c *memoryConn) Close() error {
	c.answered()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.in = true, nil
	if c.timer != nil {
		c.timer.Stop()
	}
	c.wake.Broadcast()
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Hour, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.wake.Broadcast()
		})
	}
	if t.IsZero() {
		c.timer.Stop()
	} else {
		c.timer.Reset(time.Until(t))
	}
	c.wake.Broadcast()
	return nil
}

func (c *memoryConn) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }
func (c *memoryConn) LocalAddr() net.Addr              { return c.from }
func (c *memoryConn) RemoteAddr() net.Addr             { return c.from }

// memoryListener accepts what is sent to it.
type memoryListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (*memoryListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// connect has client i, of ten addresses, connect and say text; all hears when it has
// got an answer or is cut off.
func (l *memoryListener) connect(i int, text string, all *sync.WaitGroup) *memoryConn {
	c := newMemoryConn(&net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(i%10)), Port: 1024 + i}, all)
	c.say(text)
	l.conns <- c
	return c
}

// slow are clients that send a byte a second of a request whose beginning is text.
// Those that are cut off come back, if again says so.
type slow struct {
	l       *memoryListener
	clients []*memoryConn
	text    string
	again   bool
	open    int // in the last turn that came to its end
}

// run has all clients have their turn once a second, spread over it, until ctx ends.
// They arrive over the first turns; then arrived is closed.
func (s *slow) run(ctx context.Context, arrived chan<- struct{}) {
	const arriving = 8 // turns
	began := time.Now()
	for turn := 0; ; turn++ {
		if turn == arriving {
			close(arrived)
		}
		open := 0
		for i, c := range s.clients {
			if i%64 == 0 {
				time.Sleep(time.Until(began.Add(time.Duration(turn)*time.Second + time.Duration(i)*time.Second/time.Duration(len(s.clients)))))
				if ctx.Err() != nil && turn > arriving {
					return
				}
			}
			switch {
			case c == nil && i%arriving == turn:
				s.clients[i] = s.l.connect(i, s.text, new(sync.WaitGroup))
			case c == nil:
			case c.say("x"):
				open++
			case s.again:
				s.clients[i] = s.l.connect(i, s.text, new(sync.WaitGroup))
			}
		}
		s.open = open
	}
}

// resident is the process's memory in MiB: now, and the most since that was reset.
func resident(b *testing.B) (now, most float64) {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	value := func(name string) float64 {
		_, rest, _ := bytes.Cut(text, []byte(name+":"))
		rest, _, _ = bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
		kib, err := strconv.ParseFloat(string(rest), 64)
		if err != nil {
			b.Fatal(err)
		}
		return kib / 1024
	}
	return value("VmRSS"), value("VmHWM")
}

const (
	crowdKey    = "AKIACROWD00000000001"
	crowdSecret = "a-long-random-string"
)

// others are clients with a key, beside whom the crowd is.
type others struct {
	url    string
	client *http.Client
}

// ask sends one signed request and waits for its answer.
func (o *others) ask(b *testing.B, operation, body string) {
	r, err := http.NewRequest(http.MethodPost, o.url+"/", bytes.NewReader([]byte(body)))
	if err != nil {
		b.Error(err)
		return
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(b.Context(), aws.Credentials{AccessKeyID: crowdKey, SecretAccessKey: crowdSecret}, r,
		hex.EncodeToString(sum[:]), "sqs", "us-east-1", time.Now()); err != nil {
		b.Error(err)
		return
	}
	resp, err := o.client.Do(r)
	if err != nil {
		b.Error(err)
		return
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		b.Errorf("%s %s %v", resp.Status, text, err)
	}
}

// send sends rate messages a second for d, each when it is due, and reports how long
// after that it was answered.
func (o *others) send(b *testing.B, rate int, d time.Duration, what string) {
	const clients = 16
	took := make([][]time.Duration, clients)
	began := time.Now()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for n := i; ; n += clients {
				due := began.Add(time.Duration(n) * time.Second / time.Duration(rate))
				if due.Sub(began) > d {
					return
				}
				time.Sleep(time.Until(due))
				o.ask(b, "SendMessage", `{"QueueUrl":"orders","MessageBody":"hello"}`)
				took[i] = append(took[i], time.Since(due))
			}
		})
	}
	all.Wait()
	list := slices.Sorted(slices.Values(slices.Concat(took...)))
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(list[len(list)*p/100].Microseconds())/1000, fmt.Sprintf("ms-p%d-%s", p, what))
	}
}

// BenchmarkCrowd measures what 32,768 idle connections and as many slow ones cost: in
// memory, and signed requests of others, 500 a second. The slow ones send a byte a
// second, of a request's body or of its header; whose header takes too long is cut off
// and comes back. They are of ten addresses, so that no one address's share bounds them.
func BenchmarkCrowd(b *testing.B) {
	const post = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.0\r\n" +
		"X-Amz-Target: AmazonSQS.SendMessage\r\nContent-Length: 4194304\r\n"
	for _, s := range []slow{{text: post + "\r\n"}, {text: post, again: true}} {
		b.Run(map[bool]string{false: "body", true: "header"}[s.again], func(b *testing.B) {
			for range b.N {
				benchmarkCrowd(b, s)
			}
		})
	}
}

func benchmarkCrowd(b *testing.B, s slow) {
	const (
		n       = 32_768
		measure = 20 * time.Second
		rate    = 500
	)
	dir := b.TempDir()
	keys := filepath.Join(dir, "keys.yaml")
	if err := os.WriteFile(keys, fmt.Appendf(nil, "keys: [{key: %s, secret: %s, account: %q}]", crowdKey, crowdSecret, "123456789012"), 0o600); err != nil {
		b.Fatal(err)
	}
	cfg := Default()
	cfg.Listen, cfg.Data, cfg.Keys = "127.0.0.1:0", filepath.Join(dir, "data"), keys
	a, err := New(cfg, Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := a.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := a.Ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	c, err := a.httpConfig()
	if err != nil {
		b.Fatal(err)
	}
	c.maxConnections = 3 * n
	l := &memoryListener{conns: make(chan net.Conn), done: make(chan struct{})}
	server := newHTTPServer(l, c)
	ctx, stop := context.WithCancel(b.Context())
	served := make(chan error, 1)
	go func() { served <- server.run(ctx) }()

	o := &others{url: a.URL(), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}}
	o.ask(b, "CreateQueue", `{"QueueName":"orders"}`)
	o.send(b, rate, measure, "alone")
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // the most so far
		b.Fatal(err)
	}
	before, _ := resident(b)

	var answered sync.WaitGroup
	idle := make([]*memoryConn, n)
	for i := range idle {
		idle[i] = l.connect(i, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", &answered)
	}
	answered.Wait()
	s.l, s.clients = l, make([]*memoryConn, n)
	ticking, stopTicking := context.WithCancel(b.Context())
	arrived, ticked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ticked)
		s.run(ticking, arrived)
	}()
	now, _ := resident(b)
	b.ReportMetric(now-before, "MiB-idle")
	<-arrived
	o.send(b, rate, measure, "both")
	stopTicking()
	<-ticked
	_, most := resident(b)
	b.ReportMetric(most-before, "MiB-both-most")
	b.ReportMetric(float64(s.open), "slow-open")

	o.client.CloseIdleConnections()
	for _, c := range slices.Concat(idle, s.clients) {
		c.Close()
	}
	stop()
	if err := errors.Join(<-served, a.Stop()); err != nil {
		b.Fatal(err)
	}
}
