package harness

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// NATS is an external NATS server with JetStream in a process of its own.
type NATS struct {
	addr string
	dir  string
	proc *process
}

// StartNATS starts one on a free loopback port with its store in a fresh
// folder, and ends it with the test.
func StartNATS(tb testing.TB) *NATS {
	tb.Helper()
	addr, err := freeAddr()
	if err != nil {
		tb.Fatal(err)
	}
	n := &NATS{addr: addr, dir: tb.TempDir()}
	if err := n.start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		n.proc.kill()
		if tb.Failed() {
			tb.Logf("output of NATS:\n%s", n.proc.output.String())
		}
	})
	return n
}

func (n *NATS) start() error {
	path, err := natsBinary()
	if err != nil {
		return err
	}
	n.proc, err = spawn(path, []string{"-addr", n.addr, "-dir", n.dir}, cleanEnv())
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
