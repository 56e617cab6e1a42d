package harness

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readyWithin is how long a server may take until /readyz says so.
const readyWithin = 30 * time.Second

// Options of one server. The zero value is an embedded server on a free port
// with a fresh data folder.
type Options struct {
	Data  string        // data folder; "" asks Start for a fresh one
	Addr  string        // host:port to listen on; "" picks a free loopback port
	NATS  string        // URL of an external NATS server; "" embeds one
	Node  string        // this node's name; needed with NATS
	Args  []string      // more flags of serve
	Ready time.Duration // 0: readyWithin
	// Descriptors is the process's limit on open files, soft and hard; 0: this
	// process's. A shell sets it.
	Descriptors int
}

// Server is one running waystation process.
type Server struct {
	opt  Options
	proc *process
}

// Start launches a server, waits until it is ready, and ends it with the test.
// When the test has failed, the server's output is logged.
func Start(tb testing.TB, opt Options) *Server {
	tb.Helper()
	if opt.Data == "" {
		opt.Data = tb.TempDir()
	}
	s, err := Launch(opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.Kill()
		if tb.Failed() {
			tb.Logf("output of server %s%s:\n%s", s.opt.Node, s.opt.Addr, s.Output())
		}
	})
	return s
}

// Launch starts a server and waits until it is ready. The caller ends it; Main
// ends what is left.
func Launch(opt Options) (*Server, error) {
	s, err := Spawn(opt)
	if err != nil {
		return nil, err
	}
	if err := s.WaitReady(); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// Spawn starts a server without waiting for it.
func Spawn(opt Options) (*Server, error) {
	if opt.Addr == "" {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		opt.Addr = addr
	}
	if opt.Ready == 0 {
		opt.Ready = readyWithin
	}
	s := &Server{opt: opt}
	return s, s.spawn()
}

func (s *Server) spawn() error {
	path, err := Binary()
	if err != nil {
		return err
	}
	// Without a load balancer nobody has to learn first that a server stops.
	args := []string{"serve", "--listen", s.opt.Addr, "--drain-delay", "0s"}
	if s.opt.Data != "" {
		args = append(args, "--data", s.opt.Data)
	}
	if s.opt.NATS != "" {
		args = append(args, "--nats", s.opt.NATS)
	}
	if s.opt.Node != "" {
		args = append(args, "--node", s.opt.Node)
	}
	args = append(args, s.opt.Args...)
	if n := s.opt.Descriptors; n > 0 {
		args = append([]string{"-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(n), path}, args...)
		path = "/bin/sh"
	}
	s.proc, err = spawn(path, args, cleanEnv())
	return err
}

// Again starts the same server (address, folder, flags) after it ended, and
// waits until it is ready.
func (s *Server) Again() error {
	if !s.proc.gone() {
		return fmt.Errorf("harness: server %s is still running", s.opt.Addr)
	}
	if err := s.spawn(); err != nil {
		return err
	}
	return s.WaitReady()
}

// WaitReady waits until /readyz answers 200, the process ends, or time is up.
func (s *Server) WaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.opt.Ready)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	last := "no answer"
	for {
		status, body, err := s.probe(ctx)
		switch {
		case err != nil:
			last = err.Error()
		case status == http.StatusOK:
			return nil
		default:
			last = fmt.Sprintf("%d %s", status, body)
		}
		select {
		case <-s.proc.done:
			return fmt.Errorf("harness: server ended before it was ready (%v):\n%s", s.proc.exit, s.Output())
		case <-ctx.Done():
			return fmt.Errorf("harness: server not ready within %v (%s):\n%s", s.opt.Ready, last, s.Output())
		case <-tick.C:
		}
	}
}

func (s *Server) probe(ctx context.Context) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/readyz", nil)
	if err != nil {
		return 0, "", err
	}
	req.Close = true
	resp, err := probeClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return resp.StatusCode, strings.TrimSpace(string(body)), nil
}

var probeClient = &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}

// URL is the server's base address, without a slash at the end.
func (s *Server) URL() string {
	for i, a := range s.opt.Args {
		if a == "--tls-cert" && i+1 < len(s.opt.Args) {
			return "https://" + s.opt.Addr
		}
	}
	return "http://" + s.opt.Addr
}

// Addr is the host:port it listens on.
func (s *Server) Addr() string { return s.opt.Addr }

// Data is the data folder.
func (s *Server) Data() string { return s.opt.Data }

// Pid is the process id of the running (or last) process.
func (s *Server) Pid() int { return s.proc.cmd.Process.Pid }

// Output is the end of what the latest process wrote to stdout and stderr.
func (s *Server) Output() string { return s.proc.output.String() }

// Kill ends the server with SIGKILL and waits until it is gone.
func (s *Server) Kill() { s.proc.kill() }

// Freeze stops the process (SIGSTOP) without ending it, and returns once nothing
// of it runs any more.
func (s *Server) Freeze() error {
	if err := s.proc.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if !Poll(ctx, time.Millisecond, func() bool { return stopped(s.Pid()) }) {
		return fmt.Errorf("harness: process %d does not stop", s.Pid())
	}
	return nil
}

// Thaw continues a frozen process.
func (s *Server) Thaw() error { return s.proc.signal(syscall.SIGCONT) }

// Stop asks with SIGTERM and returns the exit code; an error says that it did
// not end in time.
func (s *Server) Stop(within time.Duration) (int, error) { return s.proc.end(within) }

// Exited waits until the process has ended by itself and returns its exit
// code.
func (s *Server) Exited(within time.Duration) (int, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-s.proc.done:
		return s.proc.cmd.ProcessState.ExitCode(), nil
	case <-timer.C:
		return 0, fmt.Errorf("still running after %v", within)
	}
}

// Gone says whether the process has ended.
func (s *Server) Gone() bool { return s.proc.gone() }

// Run runs the binary with other arguments to its end and returns its output
// and exit code.
func Run(ctx context.Context, args ...string) (string, int, error) {
	path, err := Binary()
	if err != nil {
		return "", 0, err
	}
	p, err := spawn(path, args, cleanEnv())
	if err != nil {
		return "", 0, err
	}
	select {
	case <-p.done:
		return p.output.String(), p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		p.kill()
		return p.output.String(), 0, fmt.Errorf("harness: %v: %w", args, ctx.Err())
	}
}

// cleanEnv is the environment without what would configure a server or an SDK.
func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "WAYSTATION_") || strings.HasPrefix(e, "AWS_") {
			continue
		}
		env = append(env, e)
	}
	return env
}
