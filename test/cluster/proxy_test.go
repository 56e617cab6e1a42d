package cluster

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// proxy stands between a node and NATS. It can hold back what the node says, all
// of it or what is about some subjects, and what it is told: all comes through
// later, in its order, also what was said on connections that have gone since.
type proxy struct {
	listener net.Listener
	upstream string
	done     sync.WaitGroup

	mu      sync.Mutex                // guards below
	holds   func(subject string) bool // of what the node says; nil: nothing is held
	down    chan struct{}             // closed: what the node is told comes through
	free    chan struct{}             // closed once nothing is held
	held    int                       // frames held back since hold
	news    chan struct{}             // closed and made anew when held grows
	links   map[*link]struct{}
	stopped bool
}

// link is one connection of the node.
type link struct {
	client, server net.Conn
	mu             sync.Mutex // guards backlog and writes to server
	backlog        []byte
}

// startProxy starts one in front of the NATS server at url, which ends with the test.
func startProxy(t *testing.T, url string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, upstream: strings.TrimPrefix(url, "nats://"), down: make(chan struct{}), free: make(chan struct{}),
		news: make(chan struct{}), links: map[*link]struct{}{}}
	close(p.down)
	close(p.free)
	p.done.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.release()
		p.mu.Lock()
		p.stopped = true
		for k := range p.links {
			k.close()
		}
		p.mu.Unlock()
		p.done.Wait()
	})
	return p
}

// url is what the node is to connect to.
func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

// hold holds back what the node says on subjects for which holds is true; deaf:
// and all that it is told.
func (p *proxy) hold(holds func(subject string) bool, deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds, p.held, p.free = holds, 0, make(chan struct{})
	if deaf {
		p.down = make(chan struct{})
	}
}

// everything is for hold.
func everything(string) bool { return true }

// release lets all through that was held back, and what follows.
func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds = nil
	for k := range p.links {
		k.mu.Lock()
		_, _ = k.server.Write(k.backlog)
		k.backlog = nil
		k.mu.Unlock()
	}
	for _, c := range []chan struct{}{p.down, p.free} {
		select {
		case <-c:
		default:
			close(c)
		}
	}
}

// heldBack is how many frames are held back, and a channel that closes when more are.
func (p *proxy) heldBack() (int, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held, p.news
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.upstream)
		if err != nil {
			client.Close()
			continue
		}
		k := &link{client: client, server: server}
		p.mu.Lock()
		if p.stopped {
			k.close()
		}
		p.links[k] = struct{}{}
		p.mu.Unlock()
		p.done.Go(func() { p.up(k) })
		p.done.Go(func() { p.back(k) })
	}
}

func (k *link) close() {
	k.client.Close()
	k.server.Close()
}

// back brings the node what NATS says.
func (p *proxy) back(k *link) {
	defer k.client.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := k.server.Read(b)
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		<-down
		if _, failed := k.client.Write(b[:n]); err != nil || failed != nil {
			return
		}
	}
}

// up brings NATS what the node says.
func (p *proxy) up(k *link) {
	r := bufio.NewReaderSize(k.client, 64<<10)
	for {
		f, subject, err := frame(r)
		if err != nil {
			break
		}
		p.mu.Lock()
		k.mu.Lock()
		held := p.holds != nil && p.holds(subject)
		if held {
			k.backlog = append(k.backlog, f...)
			p.held++
			close(p.news)
			p.news = make(chan struct{})
		}
		p.mu.Unlock()
		if !held {
			_, err = k.server.Write(f)
		}
		k.mu.Unlock()
		if err != nil {
			break
		}
	}
	p.mu.Lock()
	free := p.free
	p.mu.Unlock()
	<-free // what is held is on its way, though the connection has gone
	k.close()
	p.mu.Lock()
	delete(p.links, k)
	p.mu.Unlock()
}

// frame reads what a client of NATS says next, and the subject of a message.
func frame(r *bufio.Reader) (f []byte, subject string, err error) {
	f, err = r.ReadBytes('\n')
	if err != nil {
		return nil, "", err
	}
	words := strings.Fields(string(f[:min(len(f), 4096)]))
	if len(words) < 3 || words[0] != "PUB" && words[0] != "HPUB" {
		return f, "", nil
	}
	size, err := strconv.Atoi(words[len(words)-1])
	if err != nil {
		return nil, "", err
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(size)+2); err != nil {
		return nil, "", err
	}
	return append(f, body.Bytes()...), words[1], nil
}
