package harness

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// NATS is an external NATS server with JetStream in a process of its own.
type NATS struct {
	addr string
	args []string
	proc *process
}

// StartNATS starts one on a free loopback port with its store in a fresh
// folder, and ends it with the test.
func StartNATS(tb testing.TB) *NATS {
	tb.Helper()
	return startNATS(tb, freeAddrs(tb, 1)[0])
}

// StartNATSCluster starts n servers that form one cluster.
func StartNATSCluster(tb testing.TB, n int) []*NATS {
	tb.Helper()
	addrs := freeAddrs(tb, 2*n)
	var routes []string
	for _, a := range addrs[n:] {
		routes = append(routes, "nats://"+a)
	}
	servers := make([]*NATS, n)
	for i := range servers {
		servers[i] = startNATS(tb, addrs[i], "-name", fmt.Sprint("natsd", i),
			"-cluster", addrs[n+i], "-routes", strings.Join(routes, ","))
	}
	return servers
}

func freeAddrs(tb testing.TB, n int) []string {
	tb.Helper()
	var addrs []string
	for len(addrs) < n {
		a, err := freeAddr()
		if err != nil {
			tb.Fatal(err)
		}
		if !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

func startNATS(tb testing.TB, addr string, args ...string) *NATS {
	tb.Helper()
	n := &NATS{addr: addr, args: append([]string{"-addr", addr, "-dir", tb.TempDir()}, args...)}
	if err := n.start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		n.proc.kill()
		if tb.Failed() {
			tb.Logf("output of NATS at %s:\n%s", addr, n.proc.output.String())
		}
	})
	return n
}

func (n *NATS) start() error {
	path, err := natsBinary()
	if err != nil {
		return err
	}
	n.proc, err = spawn(path, n.args, cleanEnv())
	if err != nil {
		return err
	}
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := net.Dial("tcp", n.addr); err == nil {
			return c.Close()
		}
		select {
		case <-n.proc.done:
			return fmt.Errorf("harness: NATS ended at once:\n%s", n.proc.output.String())
		case <-deadline.C:
			return fmt.Errorf("harness: NATS does not listen:\n%s", n.proc.output.String())
		case <-tick.C:
		}
	}
}

// URL is what --nats takes.
func (n *NATS) URL() string { return "nats://" + n.addr }

// Kill ends the server with SIGKILL.
func (n *NATS) Kill() { n.proc.kill() }

// Again starts it on the same address and store.
func (n *NATS) Again() error { return n.start() }
